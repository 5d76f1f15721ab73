%% SPDX-License-Identifier: Apache-2.0
%% Tells every running tcpadvisor how many bytes wait inside this Erlang VM, in front of the kernel
%% (docs/user-queues.md), and who is suspended because of them.
%%   tcpadvisor_queue:start().                       all TCP connections of this VM, also those to other nodes
%%   tcpadvisor_queue:start(Socket).                 one gen_tcp socket, until it is closed
%% From outside: erl -pa DIR -run tcpadvisor_queue ... -run your_program. Both return the publisher's pid; exit(Pid,
%% kill) ends it.
-module(tcpadvisor_queue).
-export([start/0, start/1]).

-define(PERIOD_MS, 500).
-define(MOST, 250).               % connections a round, the longest queues first
-define(MOST_HELD, 16).           % suspended processes whose stacks are read
-define(LINES_PER_DATAGRAM, 25).  % a datagram is at most 8192 bytes, a line below 320

start() -> start(all).
start(What) -> spawn(fun() -> {ok, Out} = gen_udp:open(0, [local]), loop(What, Out) end).

loop(What, Out) ->
    All = if What =:= all -> [P || P <- erlang:ports(), erlang:port_info(P, name) =:= {name, "tcp_inet"}]; true ->
        [What] end,
    Ports = lists:reverse(lists:sort([{Queued, P} || P <- All, {queue_size, Queued} <- [erlang:port_info(P, queue_size)]])),
    Held = case Ports of [{Longest, _} | _] when Longest > 0 -> held(); _ -> [] end,
    speak([Line || {_, P} <- lists:sublist(Ports, ?MOST), Line <- [line(P, Held)], Line =/= none], Out),
    timer:sleep(?PERIOD_MS),
    What =:= all orelse erlang:port_info(What) =/= undefined orelse exit(normal),
    loop(What, Out).

%% Processes that a busy port (or something else) has suspended, with their stacks, where the port stands.
held() ->
    Suspended = [P || P <- processes(), process_info(P, status) =:= {status, suspended}],
    [{P, Stack} || P <- lists:sublist(Suspended, ?MOST_HELD), {backtrace, Stack} <- [process_info(P, backtrace)]].

%% A socket may be closed, or not be connected, at any of these steps: then there is nothing to tell.
line(P, Held) ->
    try
        {ok, Local = {_, _}} = inet:sockname(P),
        {ok, Remote = {_, _}} = inet:peername(P),
        {ok, [{send_pend, Queued}, {send_oct, Accepted}]} = inet:getstat(P, [send_pend, send_oct]),
        {ok, Marks} = inet:getopts(P, [high_watermark, low_watermark, high_msgq_watermark, low_msgq_watermark]),
        {connected, Owner} = erlang:port_info(P, connected),
        Here = [Pid || {Pid, Stack} <- Held, binary:match(Stack, list_to_binary(port_to_list(P))) =/= nomatch],
        io_lib:format("tcpadvisor-queue 1 local=~s remote=~s queued=~B accepted=~B high=~B low=~B mq_high=~B mq_low=~B "
                      "suspended=~B name=~s~n", [address(Local), address(Remote), Queued, Accepted]
                      ++ [V || {_, V} <- Marks] ++ [length(Here), [C || C <- name(hd(Here ++ [Owner])), C > $\s, C < 127]])
    catch error:_ -> none
    end.

%% "server", "rabbit_writer,mailbox:163"
name(Pid) ->
    [{registered_name, Registered}, {message_queue_len, Messages}, {dictionary, Own}, {initial_call, {Module, _, _}}] =
        process_info(Pid, [registered_name, message_queue_len, dictionary, initial_call]),
    Name = if is_atom(Registered) -> Registered; true -> element(1, proplists:get_value('$initial_call', Own, {Module})) end,
    lists:flatten([lists:sublist(atom_to_list(Name), 18), [[",mailbox:", integer_to_list(Messages)] || Messages > 0]]).

address({Ip, Port}) when tuple_size(Ip) =:= 4 -> [inet:ntoa(Ip), $:, integer_to_list(Port)];
address({Ip, Port}) -> [$[, inet:ntoa(Ip), $], $:, integer_to_list(Port)].

%% Agents come and go: whoever is not there or does not read misses this turn, and hears the next one.
speak([], _) -> ok;
speak(Lines, Out) ->
    {Now, Later} = lists:split(min(?LINES_PER_DATAGRAM, length(Lines)), Lines),
    [gen_udp:send(Out, {local, Agent}, 0, Now) || Dir <- directories(),
        Agent <- filelib:wildcard(filename:join(Dir, "*.sock"))],
    speak(Later, Out).

directories() ->
    case os:getenv("TCPADVISOR_QUEUES") of
        false -> ["/run/tcpadvisor/queues" | [filename:join(D, "tcpadvisor/queues")
            || D <- [os:getenv("XDG_RUNTIME_DIR")], D =/= false]];
        Dir -> [Dir]
    end.
