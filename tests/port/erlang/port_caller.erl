%% SPDX-License-Identifier: Apache-2.0
%% A caller of a port script: a process that makes one call at a time and keeps what came back and which messages came.
%% The table `callers` holds it all, since a caller that is held back cannot answer questions:
%%   {{Name, state}, #{}}  of the last step    {{Name, messages}, #{Kind => Count}}    {{Name, reply}, Result}
-module(port_caller).
-export([start/1, run/2, step/4, state/1, note/2, busy_port/1]).

start(Name) ->
    Pid = spawn(fun() -> process_flag(trap_exit, true), put(name, Name), loop() end),
    ets:insert(callers, [{{Name, pid}, Pid}, {{pid, Pid}, Name}, {{Name, messages}, #{}}]),
    Pid.

%% Runs Fun in the caller and waits for what it returns: steps that cannot be held back.
run(Pid, Fun) ->
    Ref = make_ref(),
    Pid ! {run, Fun, Ref, self()},
    receive {Ref, Result} -> Result after 10000 -> error(caller_does_not_answer) end.

%% Makes up to Repeat calls. More is an atomics: 0 ends the loop before the next call.
step(Pid, Call, Repeat, More) -> Pid ! {step, Call, Repeat, More}.

state(Name) ->
    case ets:lookup(callers, {Name, state}) of
        [{_, State}] -> State;
        [] -> #{calls => 0, counts => #{}, returned => true, result => none, bytes => 0, port => none, sends => false,
            began => 0, ended => 0, order => 0}
    end.

loop() ->
    receive
        {run, Fun, Ref, From} -> From ! {Ref, catch Fun()}, loop();
        {step, Call, Repeat, More} -> calls(Call, Repeat, More), loop();
        {'EXIT', _, _} -> loop();
        Message -> message(Message), loop()
    end.

calls(_, 0, _) -> done;
calls(Call, Repeat, More) ->
    case atomics:get(More, 1) of
        0 -> done;
        _ ->
            keep(fun(S = #{calls := N}) -> S#{calls := N + 1, returned := false, began => now_ms()} end),
            {Result, Bytes} = answer(Call),
            Order = erlang:unique_integer([monotonic]),
            keep(fun(S = #{counts := Counts}) ->
                S#{returned := true, result => Result, bytes => Bytes, ended => now_ms(), order => Order,
                   counts := maps:update_with(Result, fun(N) -> N + 1 end, 1, Counts)}
            end),
            messages(),
            calls(Call, Repeat - 1, More)
    end.

%% Refused bytes were not sent: the pattern goes back.
answer(Call) ->
    #{port := Port} = state(get(name)),
    Sent = get({sent, Port}),
    try Call(fun(N) -> pattern(Port, N) end) of
        {ok, Data} when is_binary(Data) -> {"ok", byte_size(Data)};
        Result ->
            Refused = lists:member(Result, [false, nosuspend, {error, busy}]),
            if Refused -> put({sent, Port}, Sent); true -> ok end,
            {port_words:result(Result), 0}
    catch
        error:Why -> put({sent, Port}, Sent), {port_words:result(Why), 0}
    end.

%% The next N bytes of this caller to that port: its number in the upper half, a counter in the lower.
pattern(Port, N) ->
    Sent = case get({sent, Port}) of undefined -> 0; S -> S end,
    put({sent, Port}, Sent + N),
    Index = case get({index, Port}) of
                undefined ->
                    Next = ets:update_counter(callers, {senders, Port}, 1, {{senders, Port}, -1}),
                    put({index, Port}, Next),
                    Next;
                Known -> Known
            end,
    Block = << <<(Index * 16 + C)>> || C <- lists:seq(0, 15) >>,
    binary:part(binary:copy(Block, N div 16 + 2), Sent band 15, N).

keep(Change) ->
    [{Key, State}] = ets:lookup(callers, {get(name), state}),
    ets:insert(callers, {Key, Change(State)}).

messages() ->
    receive
        {inet_reply, _, _} = M -> message(M), messages();
        {empty_out_q, _} = M -> message(M), messages()
    after 0 -> ok
    end.

message({inet_reply, _, Result}) ->
    note(get(name), "inet_reply"),
    ets:insert(callers, {{get(name), reply}, port_words:result(Result)});
message(Message) when is_tuple(Message) -> note(get(name), atom_to_list(element(1, Message)));
message(_) -> ok.

note(Name, Kind) ->
    [{Key, Counts}] = ets:lookup(callers, {Name, messages}),
    ets:insert(callers, {Key, maps:update_with(Kind, fun(N) -> N + 1 end, 1, Counts)}).

%% From the system monitor.
busy_port(Pid) ->
    case ets:lookup(callers, {pid, Pid}) of
        [{_, Name}] -> ets:update_counter(callers, {Name, busy_port}, 1, {{Name, busy_port}, 0});
        [] -> ok
    end.

now_ms() -> erlang:monotonic_time(microsecond) / 1000.
