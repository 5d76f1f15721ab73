%% SPDX-License-Identifier: Apache-2.0
%% Plays a port script (docs/port-scripts.md) on real gen_tcp, to be compared with `tcpadvisor port run`.
%%   erl -noshell -pa EBIN -s port_script main -extra FILE tcp|unix OUT
%% OUT gets one JSON object per step, then a last one with the verdict. What Erlang does not show (the scheduler's
%% queue, the busy flag, counters of our own driver) is reported as "skipped". A script with parallelism=true needs
%% `erl +spp true`.
-module(port_script).
-export([main/0]).

-record(world, {transport, names = #{}, ports = #{}, listeners = #{}, start, line = 0, failed = 0}).
-record(port, {socket, owner, peer, fd}).

-define(SUBSCRIBE, 16#03f1a300 + 24).  % inet_drv's request; prim_inet has no exported function for it
-define(QUIET_MS, 20).
-define(STUCK_MS, 200).
-define(LIMIT_MS, 60000).

main() ->
    [File, Transport, Out] = init:get_plain_arguments(),
    {ok, Transcript} = file:open(Out, [write, raw]),
    put(transcript, Transcript),
    {ok, Text} = file:read_file(File),
    timer:apply_after(?LIMIT_MS, erlang, halt, [3]),
    ets:new(callers, [named_table, public]),
    Self = self(),
    Monitor = spawn(fun() -> erlang:system_monitor(self(), [busy_port]), Self ! monitoring, monitor_loop() end),
    receive monitoring -> ok end,
    World = #world{transport = list_to_atom(Transport), start = now_ms()},
    persistent_term:put(start, World#world.start),
    Steps = port_words:steps(binary_to_list(Text)),
    try lists:foldl(fun({Line, Words}, W) -> play(Words, W#world{line = Line}) end, World, Steps) of
        #world{failed = Failed} = Last ->
            Broken = [P || {P, #port{peer = Peer}} <- maps:to_list(Last#world.ports),
                           maps:get(broken, port_peer:do(Peer, state)) =/= []],
            emit(#{verdict => case {Failed, Broken} of {0, []} -> "passed"; _ -> "failed" end, failed => Failed,
                broken_streams => Broken})
    catch
        Class:Why:Stack -> emit(#{verdict => "error",
            why => lists:flatten(io_lib:format("~w:~w ~0p", [Class, Why, Stack]))})
    end,
    exit(Monitor, kill),
    halt(0, [{flush, false}]).  % a closed port that still flushes would hold the end up

monitor_loop() -> receive {monitor, Pid, busy_port, _} -> port_caller:busy_port(Pid), monitor_loop() end.

now_ms() -> erlang:monotonic_time(microsecond) / 1000.

%% ---- steps -------------------------------------------------------------------------------------------------------

play(["also" | _], W) -> W;
play(["transport" | _], W) -> W;
play(["profile", "otp25"], W) -> W;
play(["on", Transports | Step], W) ->
    case lists:member(atom_to_list(W#world.transport), string:lexemes(Transports, ",")) of
        true -> play(Step, W);
        false -> W
    end;
play(Words, W) ->
    {Step, Wanted} = case lists:splitwith(fun(X) -> X =/= "->" end, Words) of
                         {S, ["->", R]} -> {S, R};
                         {S, []} -> {S, none}
                     end,
    {Seen, Next} = step(Step, W),
    hd(Step) =:= "expect" orelse settle(Next),
    Called = case Seen of {callers, Names} -> Names; _ -> [] end,
    Result = case Seen of {callers, _} -> string:join([call_state(N) || N <- Called], " "); _ -> Seen end,
    Verdict = case {Wanted, Result} of
                  {none, {Good, _}} when Good =:= yes; Good =:= no; Good =:= skipped -> Good;
                  {none, _} -> yes;
                  {Wanted, Result} -> yes;
                  _ -> no
              end,
    emit(#{line => Next#world.line, step => string:join(Words, " "), ms => round(now_ms() - Next#world.start),
           verdict => case Verdict of yes -> "ok"; no -> "failed"; skipped -> "skipped" end,
           result => case Result of {_, Text} -> Text; _ -> Result end, callers => callers(Called),
               ports => ports(Next)}),
    case Verdict of no -> Next#world{failed = Next#world.failed + 1}; _ -> Next end.

step(["port", Name | Rest], W) ->
    {Owner, Options} = owner(Rest),
    Listener = port_peer:listen(W#world.transport, wishes(Options, "peer_", W)),
    {Address, Number} = port_peer:address(Listener),
    Near = wishes(Options, "", W),
    Pid = caller(Owner),
    {ok, Socket} = port_caller:run(Pid, fun() ->
        gen_tcp:connect(Address, Number, [binary, {active, false} | maps:to_list(Near)]) end),
    Peer = port_peer:accept(Listener, not packets(Options)),
    Set = [port_words:option(O, W#world.names) || O = {Key, _, _} <- Options, not special(Key)],
    Result = port_caller:run(Pid, fun() -> inet:setopts(Socket, Set) end),
    {port_words:result(Result), add_port(Name, Socket, Owner, Peer, W)};
step(["listener", Name | Rest], W) ->
    Options = [port_words:key_value(O) || O <- Rest],
    Address = case W#world.transport of
                  tcp -> {ip, {127, 0, 0, 1}};
                  unix -> {ifaddr, {local, filename:join(os:getenv("PORT_SCRIPT_DIR", "/tmp"),
                      "listener-" ++ os:getpid() ++ Name)}}
              end,
    {ok, Socket} = gen_tcp:listen(0, [binary, {active, false}, Address | maps:to_list(wishes(Options, "", W))]),
    Result = inet:setopts(Socket, [port_words:option(O, W#world.names) || O = {Key, _, _} <- Options,
        not special(Key)]),
    {port_words:result(Result), W#world{listeners = (W#world.listeners)#{Name => Socket}}};
step(["accept", Name, "from", From | Rest], W) ->
    {Owner, Options} = owner(Rest),
    Listener = maps:get(From, W#world.listeners),
    {ok, Address} = inet:sockname(Listener),
    {Ask, Far} = case Address of
                     {local, Path} -> {local, #{family => local, path => Path}};
                     {Ip, Number} -> {inet, #{family => inet, addr => Ip, port => Number}}
                 end,
    Peer = port_peer:connect(Ask, Far, wishes(Options, "peer_", W)),
    {ok, Socket} = port_caller:run(caller(Owner), fun() -> gen_tcp:accept(Listener, 5000) end),
    {"ok", add_port(Name, Socket, Owner, Peer, W)};
step(["send", Size, "from", Callers, "to", Name | Rest], W) ->
    #port{socket = Socket, owner = Owner} = maps:get(Name, W#world.ports),
    {Options, Until} = lists:splitwith(fun(X) -> X =/= "until" end, Rest),
    Kind = hd([K || "kind=" ++ K <- Options] ++ ["send"]),
    Flags = [list_to_atom(case O of "badoption" -> "foo"; _ -> O end) || O <- Options,
        lists:member(O, ["nosuspend", "force", "noconnect", "badoption"])],
    Repeat = case [R || "repeat=" ++ R <- Options] of [R] -> port_words:number(R, W#world.names); [] -> 1 end,
    Bytes = port_words:number(Size, W#world.names),
    OwnerPid = caller(Owner),
    Call = fun(Pattern) -> send(Kind, Socket, OwnerPid, Pattern(Bytes), Flags) end,
    Names = string:lexemes(Callers, ","),
    [begin start_step(N, Name, true), calls(N, Call, Repeat, Until, W) end || N <- Names],
    {{callers, Names}, W};
step(["receive", Size, "from", Name, "by", Who | Rest], W) ->
    Socket = socket(Name, W),
    Bytes = case Size of "any" -> 0; _ -> port_words:number(Size, W#world.names) end,
    Timeout = case Rest of ["timeout=" ++ T] -> port_words:time(T); [] -> infinity end,
    one_call(Who, Name, fun(_) -> gen_tcp:recv(Socket, Bytes, Timeout) end, W);
step(["set", Name | Rest], W) ->
    Socket = socket(Name, W),
    Options = [port_words:option(port_words:key_value(O), W#world.names) || O <- Rest],
    {port_words:result(inet:setopts(Socket, Options)), W};
step(["get", Name, Key], W) -> {text(look(Name, Key, W)), W};
step(["get", Name | Keys], W) -> {string:join([Key ++ "=" ++ text(look(Name, Key, W)) || Key <- Keys], " "), W};
step(["subscribe", Who, "to", Name], W) ->
    Socket = socket(Name, W),
    one_call(Who, Name, fun(_) -> subscribe(Socket) end, W);
step(["shutdown", Name, How, "by", Who], W) ->
    Socket = socket(Name, W),
    Ends = case How of "both" -> read_write; _ -> list_to_atom(How) end,
    one_call(Who, Name, fun(_) -> gen_tcp:shutdown(Socket, Ends) end, W);
step(["close", Name, "by", Who], W) ->
    Socket = socket(Name, W),
    one_call(Who, Name, fun(_) -> gen_tcp:close(Socket) end, W);
step(["port_close", Name], W) ->
    #port{socket = Socket, owner = Owner} = maps:get(Name, W#world.ports),
    Run = fun() -> try port_words:result(erlang:port_close(Socket)) catch error:Why -> port_words:result(Why) end end,
    %% The owner may be held back: then anybody can do it.
    {case busy_caller(Owner) of true -> Run(); false -> port_caller:run(caller(Owner), Run) end, W};
step(["kill", Name], W) -> exit(socket(Name, W), kill), {"ok", W};
step(["exit", Who], W) -> exit(caller(Who), kill), {"ok", W};
step(["peer", Name, "reads", "all"], W) -> to_peer(Name, {read, all}, W);
step(["peer", Name, "reads", N], W) -> to_peer(Name, {read, port_words:number(N, W#world.names)}, W);
step(["peer", Name, "drains"], W) -> to_peer(Name, {drain, all}, W);
step(["peer", Name, "drains", N, "per", "second"], W) -> to_peer(Name, {drain, port_words:number(N, W#world.names)}, W);
step(["peer", Name, "stalls"], W) -> to_peer(Name, stall, W);
step(["peer", Name, "sends", N], W) ->
    to_peer(Name, {send, binary:copy(<<0>>, port_words:number(N, W#world.names))}, W);
step(["peer", Name, "shuts"], W) -> to_peer(Name, shut, W);
step(["peer", Name, "closes"], W) -> to_peer(Name, close, W);
step(["peer", Name, "resets"], W) -> to_peer(Name, reset, W);
step(["wait", "until" | What], W) ->
    {Expectation, Limit} = case lists:splitwith(fun(X) -> X =/= "within" end, What) of
                               {E, ["within", T]} -> {E, port_words:time(T)};
                               {E, []} -> {E, 10000}
                           end,
    {wait_until(Expectation, now_ms() + Limit, W), W};
step(["wait", Time], W) -> timer:sleep(port_words:time(Time)), {"ok", W};
step(["let", Name, "=", Key, "of", Port], W) ->
    Value = look(Port, Key, W),
    {text(Value), W#world{names = (W#world.names)#{Name => Value}}};
step(["let", Name, "=", Number], W) ->
    Value = port_words:number(Number, W#world.names),
    {text(Value), W#world{names = (W#world.names)#{Name => Value}}};
step(["probe", K, R, "with", N | Rest], W) ->
    Options = [port_words:key_value(O) || O <- Rest],
    {Sends, Reads} = port_peer:probe(W#world.transport, port_words:number(N, W#world.names), wishes(Options, "", W),
        wishes(Options, "peer_", W)),
    {text(Sends) ++ " " ++ text(Reads), W#world{names = (W#world.names)#{K => Sends, R => Reads}}};
step(["expect" | What], W) -> {holds(What, W), W}.

to_peer(Name, What, W) -> port_peer:do((maps:get(Name, W#world.ports))#port.peer, What), {"ok", W}.

%% ---- ports and callers -------------------------------------------------------------------------------------------

owner(Words) ->
    Options = [port_words:key_value(O) || O <- Words],
    {case lists:keyfind("owner", 1, Options) of {_, _, Who} -> Who; false -> "owner" end,
        [O || O = {Key, _, _} <- Options, Key =/= "owner"]}.

%% What the kernel must know before the connection is there.
wishes(Options, Prefix, W) ->
    maps:from_list([{list_to_atom(Key), port_words:number(Value, W#world.names)}
                    || Key <- ["sndbuf", "recbuf"], {Found, _, Value} <- Options, Found =:= Prefix ++ Key]
                   ++ [{nodelay, true} || {"nodelay", _, "true"} <- Options, Prefix =:= ""]).

special(Key) -> lists:member(Key, ["sndbuf", "recbuf", "peer_sndbuf", "peer_recbuf", "parallelism"]).
packets(Options) -> [V || {"packet", _, V} <- Options, V =/= "0", V =/= "raw"] =/= [].

add_port(Name, Socket, Owner, Peer, W) ->
    {ok, Fd} = prim_inet:getfd(Socket),
    Port = #port{socket = Socket, owner = Owner, peer = Peer, fd = {Fd, link_of(Fd)}},
    W#world{ports = (W#world.ports)#{Name => Port}}.

link_of(Fd) -> file:read_link("/proc/self/fd/" ++ integer_to_list(Fd)).

socket(Name, W) ->
    case maps:find(Name, W#world.ports) of {ok, #port{socket = S}} -> S; error -> maps:get(Name, W#world.listeners) end.

caller(Name) ->
    case ets:lookup(callers, {Name, pid}) of
        [{_, Pid}] -> Pid;
        [] -> port_caller:start(Name)
    end.

names() -> lists:sort([Name || {{Name, state}, _} <- ets:tab2list(callers)]).
busy_caller(Name) -> lists:member(Name, names()) andalso not maps:get(returned, port_caller:state(Name)).

start_step(Name, Port, Sends) ->
    caller(Name),
    ets:delete(callers, {Name, state}),
    ets:insert(callers, {{Name, state}, (port_caller:state(Name))#{port := Port, sends := Sends}}).

one_call(Who, Port, Call, W) ->
    start_step(Who, Port, false),
    calls(Who, Call, 1, [], W),
    {{callers, [Who]}, W}.

subscribe(Socket) ->
    [1, 1, A, B, C, D] = erlang:port_control(Socket, ?SUBSCRIBE, [1]),
    (A bsl 24) + (B bsl 16) + (C bsl 8) + D.

send("send", Socket, _, Data, []) -> gen_tcp:send(Socket, Data);
send("send", Socket, _, Data, Flags) -> prim_inet:send(Socket, Data, Flags);
send("command", Socket, _, Data, Flags) -> erlang:port_command(Socket, Data, Flags);
send("bang", Socket, Owner, Data, []) -> Socket ! {Owner, {command, Data}}, ok;
send("bang", Socket, Owner, Data, Flags) -> erlang:send(Socket, {Owner, {command, Data}}, Flags);
send("send_nosuspend", Socket, Owner, Data, []) -> erlang:send_nosuspend(Socket, {Owner, {command, Data}});
send("send_nosuspend", Socket, Owner, Data, Flags) -> erlang:send_nosuspend(Socket, {Owner, {command, Data}}, Flags).

calls(Name, Call, Repeat, [], _) ->
    port_caller:step(caller(Name), Call, Repeat, more(1)),
    wait_stuck(Name, Repeat, 2);
calls(Name, Call, _, ["until", "wait"], _) ->
    More = more(1),
    port_caller:step(caller(Name), Call, 1000000, More),
    wait_stuck(Name, 1000000, ?STUCK_MS),
    atomics:put(More, 1, 0);
calls(Name, Call, _, ["until", Condition], W = #world{}) ->
    #{port := Port} = port_caller:state(Name),
    until(Name, Call, fun() -> element(1, holds([Port, Condition], W)) =:= yes end).

until(Name, Call, Holds) ->
    #{calls := Before} = port_caller:state(Name),
    port_caller:step(caller(Name), Call, 1, more(1)),
    wait_stuck(Name, Before + 1, ?STUCK_MS),
    #{returned := Returned} = port_caller:state(Name),
    Done = not Returned orelse (Holds() andalso begin timer:sleep(50), Holds() end),
    if Done -> ok; true -> until(Name, Call, Holds) end.

more(N) -> A = atomics:new(1, []), atomics:put(A, 1, N), A.

%% Until all calls have returned, or one has not for so long.
wait_stuck(Name, Calls, Ms) -> wait_stuck(Name, Calls, Ms, none, 0).
wait_stuck(Name, Calls, Ms, Last, Since) ->
    #{calls := Made, returned := Returned} = port_caller:state(Name),
    Status = erlang:process_info(caller(Name), status),
    Held = not Returned andalso (Status =:= {status, waiting} orelse Status =:= {status, suspended}),
    Now = now_ms(),
    if
        Returned, Made >= Calls -> ok;
        Status =:= undefined -> ok;
        not Held; Made =/= Last -> receive after 0 -> wait_stuck(Name, Calls, Ms, Made, Now) end;
        Now - Since >= Ms -> ok;
        true -> receive after 1 -> wait_stuck(Name, Calls, Ms, Made, Since) end
    end.

settle(W) -> settle(W, none, 0, now_ms() + 1000).
settle(W, Last, Since, Limit) ->
    Picture = {callers(names()), ports(W)},
    Now = now_ms(),
    if
        Picture =/= Last, Now < Limit -> timer:sleep(2), settle(W, Picture, Now, Limit);
        Now - Since < ?QUIET_MS, Now < Limit -> timer:sleep(2), settle(W, Picture, Since, Limit);
        true -> ok
    end.

%% ---- expectations ------------------------------------------------------------------------------------------------

wait_until(What, Limit, W) ->
    case holds(What, W) of
        {no, Seen} ->
            case now_ms() > Limit of
                true -> {no, Seen};
                false -> timer:sleep(2), wait_until(What, Limit, W)
            end;
        Other -> Other
    end.

%% {yes | no | skipped, what was seen}
holds(["order" | Names], _) ->
    Ordered = [N || {_, N} <- lists:sort([{maps:get(order, port_caller:state(N)), N} || N <- Names])],
    verdict(Ordered =:= Names, string:join(Ordered, " "));
holds(["peer", Name | Pairs], W) ->
    State = port_peer:do((maps:get(Name, W#world.ports))#port.peer, state),
    all([check(maps:get(Key, State), Operator, Value, W, 0)
         || {Key, Operator, Value} <- [port_words:key_value(P) || P <- Pairs]]);
holds([Name | Words], W) ->
    Known = maps:is_key(Name, W#world.ports) orelse maps:is_key(Name, W#world.listeners),
    case Known of
        true -> all([check(look(Name, Key, W), Operator, Value, W, 0)
            || {Key, Operator, Value} <- [port_words:key_value(P) || P <- Words]]);
        false -> caller_holds(Name, [port_words:key_value(P) || P <- Words], W)
    end.

caller_holds(Name, Words, W) ->
    Result = hd([R || R <- Words, not is_tuple(R)] ++ [none]),
    Counted = lists:keymember("count", 1, Words),
    Now = call_state(Name),
    all([verdict(Now =:= Result, Now) || Result =/= none, not Counted]
        ++ [check(caller_value(Name, Key, Result), Operator, Value, W, slack(Key)) || {Key, Operator, Value} <- Words]).

slack("at") -> 50;
slack("after") -> 50;
slack(_) -> 0.

check(unknown, _, _, _, _) -> {skipped, "not visible in Erlang"};
check(Seen, Operator, Wanted, W, Slack) when is_number(Seen) ->
    Value = case Slack of 0 -> port_words:number(Wanted, W#world.names); _ -> port_words:time(Wanted) end,
    verdict(port_words:compare(Seen, Operator, Value, Slack), text(Seen));
check(Seen, _, Wanted, _, _) -> verdict(Seen =:= Wanted, Seen).

verdict(true, Seen) -> {yes, Seen};
verdict(false, Seen) -> {no, Seen}.

all(Verdicts) ->
    Seen = string:join([S || {_, S} <- Verdicts], " "),
    {case {lists:keymember(no, 1, Verdicts), lists:keymember(skipped, 1, Verdicts)} of
         {true, _} -> no; {false, true} -> skipped; _ -> yes end, Seen}.

call_state(Name) ->
    case port_caller:state(Name) of
        #{returned := true, result := none} -> "nothing";
        #{returned := true, result := Result} -> Result;
        _ ->
            case erlang:process_info(caller(Name), status) of
                {status, suspended} -> "suspended";
                undefined -> "gone";
                _ -> "waiting"
            end
    end.

caller_value(Name, Key, Result) ->
    State = port_caller:state(Name),
    case Key of
        "calls" -> maps:get(calls, State);
        "count" -> maps:get(Result, maps:get(counts, State), 0);
        "bytes" -> maps:get(bytes, State);
        "at" -> maps:get(ended, State) - persistent_term:get(start, 0);
        "after" ->
            case State of
                #{returned := true} -> maps:get(ended, State) - maps:get(began, State);
                _ -> "not yet"
            end;
        "waited" -> yes_no(not maps:get(returned, State) orelse maps:get(ended, State) - maps:get(began, State) > 10);
        "reply" -> case ets:lookup(callers, {Name, reply}) of [{_, R}] -> R; [] -> "none" end;
        "busy_port" -> case ets:lookup(callers, {Name, busy_port}) of [{_, N}] -> N; [] -> 0 end;
        _ -> [{_, Counts}] = ets:lookup(callers, {Name, messages}), maps:get(Key, Counts, 0)
    end.

yes_no(true) -> "yes";
yes_no(false) -> "no".

%% A number, a text, or `unknown` for what only our own driver shows.
look(Name, Key, W) ->
    Socket = socket(Name, W),
    Item = case Key of "q" -> send_pend; "accepted" -> send_oct; _ -> list_to_atom(Key) end,
    case lists:member(Key, ["q", "accepted", "send_cnt", "send_oct", "send_max", "send_avg", "send_pend"]) of
        true -> case inet:getstat(Socket, [Item]) of {ok, [{_, N}]} -> N; {error, _} -> gone_value(Key) end;
        false -> state(Name, Key, Socket, W)
    end.

gone_value("q") -> 0;
gone_value(_) -> "{error,einval}".

state(Name, Key, Socket, W) ->
    case Key of
        "gone" -> yes_no(gone(Socket));
        "open" -> yes_no(has_descriptor(Name, W));
        "limbo" -> yes_no(gone(Socket) andalso has_descriptor(Name, W));
        "waiting" -> held(Name, "waiting");
        "suspended" -> held(Name, "suspended");
        _ ->
            {Option, _} = port_words:option({Key, "=", "true"}, #{}),
            case lists:member(Key, ["mq", "mq_busy", "busy", "pending_shutdown", "scheduled", "dropped", "written",
                "bypassed",
                                    "refused", "writes", "parallelism"]) of
                true -> unknown;
                false ->
                    case inet:getopts(Socket, [Option]) of
                        {ok, [{_, Value}]} -> shown(Value);
                        {error, Why} -> "{error," ++ atom_to_list(Why) ++ "}"
                    end
            end
    end.

%% A port that only flushes can still be asked, but its links are gone.
gone(Socket) -> lists:member(erlang:port_info(Socket, links), [undefined, {links, []}]).

shown({On, Seconds}) -> atom_to_list(On) ++ "/" ++ integer_to_list(Seconds);
shown(Value) when is_atom(Value) -> atom_to_list(Value);
shown(Value) -> Value.

has_descriptor(Name, W) -> #port{fd = {Fd, Link}} = maps:get(Name, W#world.ports), link_of(Fd) =:= Link.

held(Port, State) ->
    length([N || N <- names(), #{port := P, sends := true} <- [port_caller:state(N)], P =:= Port,
        call_state(N) =:= State]).

%% ---- the transcript ----------------------------------------------------------------------------------------------

callers(Names) ->
    maps:from_list([{Name, #{now => call_state(Name), calls => maps:get(calls, port_caller:state(Name)),
                             returned => maps:get(counts, port_caller:state(Name))}} || Name <- Names]).

ports(W) ->
    maps:map(fun(Name, _) -> maps:from_list([{Key, look(Name, Key, W)}
        || Key <- ["q", "waiting", "suspended", "open", "gone", "limbo"]]) end,
             W#world.ports).

text(N) when is_integer(N) -> integer_to_list(N);
text(N) when is_float(N) -> integer_to_list(round(N));
text(Other) -> Other.

emit(Map) -> ok = file:write(get(transcript), [json(Map), $\n]).

json(N) when is_integer(N) -> integer_to_list(N);
json(M) when is_map(M) -> ["{", lists:join(",", [[json(text_key(K)), ":", json(V)]
    || {K, V} <- lists:sort(maps:to_list(M))]), "}"];
json([]) -> "\"\"";
json(L = [C | _]) when is_integer(C) -> [$", [case X of $" -> "\\\""; $\\ -> "\\\\"; $\n -> "\\n"; _ -> X end
    || X <- L], $"];
json(L) when is_list(L) -> ["[", lists:join(",", [json(X) || X <- L]), "]"];
json(A) when is_atom(A) -> json(atom_to_list(A)).

text_key(K) when is_atom(K) -> atom_to_list(K);
text_key(K) -> K.
