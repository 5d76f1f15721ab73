%% SPDX-License-Identifier: Apache-2.0
%% The far node of dist_measure, and what can be seen of the channel to it.
-module(dist_far).
-export([far_node/0, far_node/1, connect/1, wait_for/2, signal/1, gone/0, flush/0, dist_port/0, queued/0, driver/1,
         kernel_queues/0, status/1, limit/0, say/2, data/1, stop_and_fill/1, fill/1, until_refused/2, events/0,
             sink/0]).

-define(FAR, 'far@127.0.0.1').
-define(SETTLE_MS, 300).

%% Small kernel buffers, so that what the kernel holds is little beside the limit. The far node must not outlive us.
far_node() -> far_node([]).
far_node(Extra) ->
    Args = ["-name", atom_to_list(?FAR), "-setcookie", atom_to_list(erlang:get_cookie()), "-noinput", "-noshell",
            "-pa", filename:dirname(code:which(?MODULE)), "-kernel", "inet_dist_listen_options", "[{recbuf,4096}]"]
        ++ Extra ++ ["-s", "dist_far", "sink"],
    open_port({spawn_executable, os:find_executable("erl")}, [{args, Args}, exit_status, binary]),
    connect(100),
    Sink = wait_for(fun() -> rpc:call(?FAR, erlang, whereis, [sink]) end, fun is_pid/1),
    put(os_pid, rpc:call(?FAR, os, getpid, [])),
    net_kernel:monitor_nodes(true),
    timer:sleep(?SETTLE_MS),
    Sink.

connect(0) -> error(far_node_does_not_answer);
connect(N) -> net_kernel:connect_node(?FAR) orelse begin timer:sleep(100), connect(N - 1) end.

wait_for(Ask, Good) ->
    X = Ask(),
    case Good(X) of true -> X; false -> timer:sleep(20), wait_for(Ask, Good) end.

signal(Name) -> os:cmd("kill -" ++ Name ++ " " ++ get(os_pid)), timer:sleep(50).

gone() ->
    net_kernel:monitor_nodes(false),
    case get(os_pid) of
        undefined -> ok;
        _ -> signal("KILL"), erlang:disconnect_node(?FAR), erase(os_pid), timer:sleep(200), flush()
    end.

flush() -> receive _ -> flush() after 0 -> ok end.

sink() -> register(sink, spawn(fun() -> sink_loop([], 0) end)).
sink_loop(Log, N) ->
    receive
        {log, From} -> From ! {log, lists:reverse(Log), N}, sink_loop([], 0);
        {Tag, Data} when is_binary(Data) -> sink_loop([Tag | Log], N + byte_size(Data));
        _ -> sink_loop(Log, N)
    end.

%% ---- looking at the channel --------------------------------------------------------------------------------------

dist_port() -> proplists:get_value(?FAR, erlang:system_info(dist_ctrl)).

%% Bytes that the node has accepted and not yet handed to the port.
queued() ->
    [Connection] = ets:lookup(sys_dist, ?FAR),
    {ok, _In, _Out, Pending} = erlang:dist_get_stat(element(3, Connection)),
    Pending.

driver(What) -> {ok, [{What, N}]} = inet:getstat(dist_port(), [What]), N.

kernel_queues() ->
    {ok, {_, Port}} = inet:sockname(dist_port()),
    Lines = string:split(os:cmd("ss -Htn state established '( sport = :" ++ integer_to_list(Port)
                                ++ " or dport = :" ++ integer_to_list(Port) ++ " )'"), "\n", all),
    Own = ":" ++ integer_to_list(Port),
    Rows = [string:lexemes(L, " ") || L <- Lines, L =/= ""],
    {[S || [_, S, Local | _] <- Rows, lists:suffix(Own, Local)],
     [R || [R, _, Local | _] <- Rows, not lists:suffix(Own, Local)]}.

status(Pid) -> case erlang:process_info(Pid, status) of {status, S} -> S; undefined -> ended end.

limit() -> erlang:system_info(dist_buf_busy_limit).
say(Format, Args) -> io:format(Format ++ "~n", Args).
data(Bytes) -> binary:copy(<<0>>, Bytes).

%% Until the driver's own queue is over its high watermark; from then on every byte stays in the node's queue.
stop_and_fill(Sink) -> signal("STOP"), fill(Sink).
fill(Sink) ->
    erlang:send(Sink, {fill, data(1000)}, [nosuspend]),
    timer:sleep(2),
    case queued() >= 3000 of true -> timer:sleep(?SETTLE_MS); false -> fill(Sink) end.

%% Sends until refused; how many were accepted.
until_refused(Sink, Message) -> until_refused(Sink, Message, 0).
until_refused(Sink, Message, N) ->
    case erlang:send(Sink, Message, [nosuspend]) of
        ok when N < 2000000 -> until_refused(Sink, Message, N + 1);
        _ -> N
    end.

events() ->
    receive {monitor, Pid, busy_dist_port, _} -> [Pid | events()] after 50 -> [] end.
