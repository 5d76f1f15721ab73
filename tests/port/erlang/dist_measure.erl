%% SPDX-License-Identifier: Apache-2.0
%% Measures one distribution channel between two real nodes: the near node runs this, the far node is stopped (SIGSTOP)
%% or sits behind a relay that reads as many bytes as it is told. dist_measure.sh starts it; docs/distribution.md tells
%% what it printed. Every experiment starts its own far node and ends it by its pid.
-module(dist_measure).
-export([main/0]).
-import(dist_far, [far_node/0, far_node/1, connect/1, wait_for/2, signal/1, gone/0, flush/0, dist_port/0, queued/0,
    driver/1,
         kernel_queues/0, status/1, limit/0, say/2, data/1, stop_and_fill/1, fill/1, until_refused/2, events/0]).
-import(dist_relay, [through_relay/0]).

-define(FAR, 'far@127.0.0.1').
-define(SETTLE_MS, 300).

main() ->
    process_flag(trap_exit, true),
    ets:new(relay, [named_table, public]),
    All = [{options, fun options/0}, {cost, fun cost/0}, {boundary, fun boundary/0}, {places, fun places/0},
           {blocked, fun blocked/0}, {calls, fun calls/0}, {senders, fun senders/0}, {large, fun large/0},
           {signals, fun signals/0}, {memory, fun memory/0}, {resume, fun resume/0}, {order, fun order/0},
           {broken, fun broken/0}, {tick, fun tick/0}, {pending, fun pending/0}],
    Wanted = [list_to_atom(A) || A <- init:get_plain_arguments()],
    [begin io:format("~n== ~s~n", [Name]), Run(), gone() end
     || {Name, Run} <- All, Wanted =:= [] orelse lists:member(Name, Wanted)],
    halt(0).

options() ->
    far_node(),
    {ok, Options} = inet:getopts(dist_port(), [high_watermark, low_watermark, high_msgq_watermark, low_msgq_watermark,
                                               delay_send, nodelay, packet, send_timeout, sndbuf, recbuf]),
    say("limit ~p; port ~w", [limit(), Options]).

cost() ->
    Sink = far_node(),
    Messages = [{Kind, To, Size, data(Size)} || {Kind, To} <- [{"pid ", Sink}, {"name", {sink, ?FAR}}],
                                                Size <- [0, 1, 64, 65, 100, 1000, 10000, 65000, 70000]],
    Wire = [begin
                Before = driver(send_oct),
                To ! Message,
                timer:sleep(50),
                driver(send_oct) - Before
            end || {_, To, _, Message} <- Messages],
    stop_and_fill(Sink),
    [begin
         Before = queued(),
         ok = erlang:send(To, Message, [nosuspend]),
         Fresh = queued() - Before,
         timer:sleep(50),
         say("to ~s, payload ~6B: to the driver ~6B, queue +~6B, a moment later +~B", [Kind, Size, Octets, Fresh,
             queued() - Before])
     end || {{Kind, To, Size, Message}, Octets} <- lists:zip(Messages, Wire)].

%% Brings the queue to exactly limit+Delta and asks whether the next sender is refused.
boundary() ->
    [begin
         Sink = far_node(),
         stop_and_fill(Sink),
         Small = cost_of(Sink, data(50)) - 50,
         until_near(Sink, 3000),
         Missing = limit() + Delta - queued(),
         Big = cost_of(Sink, data(1000)) - 1000,
         ok = erlang:send(Sink, data(Missing - (1000 + Big) - Big), [nosuspend]),
         Q = queued(),
         Next = erlang:send(Sink, data(0), [nosuspend]),
         say("queue = limit~s (~B; small overhead ~B, large ~B): next nosuspend -> ~p, queue ~B",
             [signed(Q - limit()), Q, Small, Big, Next, queued()]),
         gone()
     end || Delta <- [-1, 0, 1]],
    sagged().

%% The port writes its headers into what waits; that makes the queue a little shorter, here shorter than the limit.
sagged() ->
    Sink = far_node(),
    stop_and_fill(Sink),
    until_refused(Sink, {fill, data(1000)}),
    timer:sleep(?SETTLE_MS),
    Before = queued(),
    Answer = erlang:send(Sink, x, [nosuspend]),
    Pids = [begin P = spawn(fun() -> Sink ! {fill, data(20000)} end), timer:sleep(50), {P, queued()} end
        || _ <- [1, 2]],
    say("still busy at limit~s: nosuspend -> ~w; sends of 20000: ~w", [signed(Before - limit()), Answer,
        [{status(P), list_to_atom("limit" ++ signed(Q - limit()))} || {P, Q} <- Pids]]).

signed(N) when N < 0 -> integer_to_list(N);
signed(N) -> "+" ++ integer_to_list(N).

cost_of(Sink, Message) ->
    Before = queued(),
    ok = erlang:send(Sink, Message, [nosuspend]),
    queued() - Before.

until_near(Sink, Room) ->
    case limit() - queued() of
        Missing when Missing > 40000 + Room -> ok = erlang:send(Sink, data(20000), [nosuspend]), until_near(Sink, Room);
        Missing when Missing > 2500 + Room -> ok = erlang:send(Sink, data(1000), [nosuspend]), until_near(Sink, Room);
        _ -> ok
    end.

places() ->
    [begin
         Sink = far_node(),
         Octets = driver(send_oct),
         signal("STOP"),
         N = until_refused_slowly(Sink, {places, data(Size)}),
         {SendQ, RecvQ} = kernel_queues(),
         say("messages of ~B: ~B accepted; node queue ~B, driver queue (send_pend) ~B, Send-Q ~s, "
             "peer's Recv-Q ~s, to the driver ~B",
             [Size, N, queued(), driver(send_pend), lists:join(",", SendQ), lists:join(",", RecvQ),
                 driver(send_oct) - Octets]),
         gone()
     end || Size <- [100, 1000, 10000, 60000, 200000]].

%% Refused, and at or over the limit also after the port has written its headers (which makes the queue a bit shorter).
fill_for_good(Sink) ->
    until_refused(Sink, {fill, data(1000)}),
    timer:sleep(?SETTLE_MS),
    case queued() >= limit() of
        true -> ok;
        false ->
            Pid = spawn(fun() -> Sink ! {fill, data(limit() - queued() + 100)} end),
            timer:sleep(50),
            exit(Pid, kill),
            fill_for_good(Sink)
    end.

%% The port takes its share between two sends, so that the split is the steady one.
until_refused_slowly(Sink, Message) ->
    N = until_refused(Sink, Message),
    timer:sleep(?SETTLE_MS),
    case until_refused(Sink, Message) of 0 -> N; M -> N + M + until_refused_slowly(Sink, Message) end.

blocked() ->
    Sink = far_node(),
    stop_and_fill(Sink),
    Self = self(),
    erlang:system_monitor(Self, [busy_dist_port]),
    cost_of(Sink, {blocked, data(10000)}),
    timer:sleep(50),
    Start = queued(),
    cost_of(Sink, {blocked, data(10000)}),
    timer:sleep(50),
    Cost = queued() - Start,
    Counter = counters:new(1, []),
    Sender = spawn(fun() -> (fun Loop() -> Sink ! {blocked, data(10000)}, counters:add(Counter, 1, 1),
        Loop() end)() end),
    timer:sleep(?SETTLE_MS),
    Entered = (queued() - Start) / Cost - 1,
    say("cost ~B, queue ~B -> limit~s; ~.2f messages entered, ~B calls returned; sender ~p; events ~p",
        [Cost, Start + Cost, signed(queued() - limit()), Entered, counters:get(Counter, 1), status(Sender),
            length(events())]),
    say("nosuspend then: ~p; events ~p", [erlang:send(Sink, x, [nosuspend]), length(events())]),
    exit(Sender, kill),
    erlang:system_monitor(undefined),
    timer:sleep(?SETTLE_MS),
    say("the sender is killed: ~p, its messages stay: queue limit~s", [status(Sender), signed(queued() - limit())]).

calls() ->
    Sink = far_node(),
    Other = spawn(?FAR, timer, sleep, [infinity]),
    Prepared = prepare([{"unlink", fun() -> link(Other) end, fun(_) -> unlink(Other) end},
                        {"demonitor", fun() -> monitor(process, Other) end, fun demonitor/1},
                        {"end of a linked process", fun() -> link(Other) end, fun(_) -> exit(kill_me) end},
                        {"the same, reason of 10000", fun() -> link(Other) end, fun(_) -> exit(data(10000)) end}]),
    timer:sleep(?SETTLE_MS),
    stop_and_fill(Sink),
    until_near(Sink, 16000),
    timer:sleep(?SETTLE_MS),
    D = data(1000),
    Calls = [{"erlang:send/2", fun() -> erlang:send(Sink, D) end}, {"!", fun() -> Sink ! D end},
             {"{Name,Node} !", fun() -> {sink, ?FAR} ! D end},
             {"send/3 []", fun() -> erlang:send(Sink, D, []) end},
             {"send/3 [nosuspend]", fun() -> erlang:send(Sink, D, [nosuspend]) end},
             {"send/3 [noconnect]", fun() -> erlang:send(Sink, D, [noconnect]) end},
             {"send/3 [nosuspend,noconnect]", fun() -> erlang:send(Sink, D, [nosuspend, noconnect]) end},
             {"send_nosuspend/2", fun() -> erlang:send_nosuspend(Sink, D) end},
             {"send_nosuspend/3 [noconnect]", fun() -> erlang:send_nosuspend(Sink, D, [noconnect]) end},
             {"link", fun() -> link(Sink) end}, {"monitor process", fun() -> monitor(process, Sink) end},
             {"exit/2", fun() -> exit(Sink, normal) end}, {"exit/2, reason of 1000", fun() -> exit(Other, D) end},
             {"group_leader/2", fun() -> group_leader(whereis(init), Sink) end},
             {"monitor_node", fun() -> monitor_node(?FAR, true) end},
             {"spawn/2", fun() -> spawn(?FAR, fun() -> ok end) end},
             {"spawn_request/2", fun() -> spawn_request(?FAR, erlang, node, []) end},
             {"spawn_request/5, argument of 1000", fun() -> spawn_request(?FAR, erlang, size, [D], []) end},
             {"erpc:cast", fun() -> erpc:cast(?FAR, erlang, node, []) end},
             {"rpc:cast", fun() -> rpc:cast(?FAR, erlang, node, []) end},
             {"rpc:call, 200 ms", fun() -> rpc:call(?FAR, erlang, node, [], 200) end},
             {"gen_server:cast", fun() -> gen_server:cast(Sink, D) end},
             {"gen_server:cast to {Name,Node}", fun() -> gen_server:cast({sink, ?FAR}, D) end},
             {"net_adm:ping", fun() -> net_adm:ping(?FAR) end} | Prepared],
    [try_call(C) || C <- [{"not busy: " ++ N, F} || {N, F} <- lists:sublist(Calls, 9)]],
    fill_for_good(Sink),
    say("-- busy from here, queue limit~s", [signed(queued() - limit())]),
    [try_call(C) || C <- Calls],
    try_call({"disconnect_node", fun() -> erlang:disconnect_node(?FAR) end}).

%% Processes that have their link or monitor before the channel is busy.
prepare(Steps) ->
    Self = self(),
    [begin
         Pid = spawn(fun() -> Held = First(), Self ! ready, receive {go, To} -> To ! {self(), short(Then(Held))} end,
             timer:sleep(infinity) end),
         receive ready -> {Name, Pid} end
     end || {Name, First, Then} <- Steps].

try_call({Name, Call}) ->
    Self = self(),
    erlang:system_monitor(Self, [busy_dist_port]),
    Before = queued(),
    Pid = if is_pid(Call) -> Call ! {go, Self}, Call;
             true -> spawn(fun() -> Self ! {self(), catch short(Call())}, timer:sleep(infinity) end)
          end,
    Result = receive {Pid, R} -> R after 400 -> none end,
    Where = status(Pid),
    After = try queued() - Before catch _:_ -> closed end,
    Events = [case P of Pid -> caller; _ -> other end || P <- events()],
    erlang:system_monitor(undefined),
    say("~-36s result ~-12w caller ~-10w queue +~w events ~w", [Name, Result, Where, After, Events]).

short(X) when is_binary(X) -> message;
short(X) when is_pid(X) -> pid;
short(X) when is_reference(X) -> reference;
short({Name, Node}) when is_atom(Name), is_atom(Node) -> {Name, Node};
short(X) when is_tuple(X) -> element(1, X);
short(X) -> X.

%% Each of N fresh processes sends one message: does the queue stop at the limit?
senders() ->
    [begin
         Sink = far_node(),
         stop_and_fill(Sink),
         Channel =:= free orelse fill_for_good(Sink),
         erlang:system_monitor(self(), [busy_dist_port]),
         Before = queued(),
         Payload = data(Size),
         Pids = [spawn(fun() -> send_as(Kind, Sink, {I, Payload}) end) || I <- lists:seq(1, N)],
         timer:sleep(?SETTLE_MS * 2),
         Suspended = length([P || P <- Pids, status(P) =:= suspended]),
         say("~w: ~B senders of ~B on a ~w channel: queue limit~s -> limit~s, suspended ~B, events ~B",
             [Kind, N, Size, Channel, signed(Before - limit()), signed(queued() - limit()), Suspended,
                 length(events())]),
         erlang:system_monitor(undefined),
         [exit(P, kill) || P <- Pids],
         gone()
     end || {N, Size, Kind, Channel} <- [{1000, 10000, plain, free}, {1000, 10000, nosuspend, free}, {10, 10000,
         plain, busy},
                                    {1000, 10000, plain, busy}, {1000, 10000, nosuspend, busy}, {1000, 100000, plain,
                                        free}]].

send_as(plain, To, Message) -> erlang:send(To, Message);
send_as(nosuspend, To, Message) -> erlang:send(To, Message, [nosuspend]).

large() ->
    [begin
         Sink = far_node(),
         stop_and_fill(Sink),
         Self = self(),
         Message = {large, data(10000000)},
         Before = queued(),
         Pid = spawn(fun() -> Self ! {done, send_as(Kind, Sink, Message)}, timer:sleep(infinity) end),
         Result = receive {done, R} -> short(R) after 1000 -> none end,
         say("~w, one message of 10000000 on a free channel: result ~w, caller ~w, queue ~B -> ~B (limit~s)",
             [Kind, Result, status(Pid), Before, queued(), signed(queued() - limit())]),
         Again = spawn(fun() -> send_as(Kind, Sink, Message) end),
         timer:sleep(?SETTLE_MS),
         say("~w, another one on the busy channel: caller ~w, queue limit~s", [Kind, status(Again),
             signed(queued() - limit())]),
         exit(Again, kill),
         erlang:system_monitor(Self, [busy_dist_port]),
         signal("CONT"),
         timer:sleep(1000),
         say("~w, the far node goes on: caller ~w, queue ~B, events ~B", [Kind, status(Pid), queued(),
             length(events())]),
         erlang:system_monitor(undefined),
         exit(Pid, kill),
         gone()
     end || Kind <- [plain, nosuspend]].

%% Signals that nobody "sends": they cannot suspend anybody.
signals() ->
    Sink = far_node(),
    N = 1000,
    Victims = [spawn(fun() -> link(Sink), receive {stop, Why} -> exit(Why) end end) || _ <- lists:seq(1, N)],
    rpc:call(?FAR, erlang, unregister, [sink]),
    timer:sleep(?SETTLE_MS),
    stop_and_fill(Sink),
    fill_for_good(Sink),
    Before = queued(),
    Processes = erlang:system_info(process_count),
    Memory = erlang:memory(total),
    {Short, Long} = lists:split(N div 2, Victims),
    [V ! {stop, why} || V <- Short],
    timer:sleep(500),
    say("~B linked processes exit with a short reason: queue limit~s -> limit~s, processes ~s",
        [N div 2, signed(Before - limit()), signed(queued() - limit()),
            signed(erlang:system_info(process_count) - Processes)]),
    Reason = {why, data(10000)},
    [V ! {stop, Reason} || V <- Long],
    timer:sleep(1000),
    say("~B more with a reason of 10000: queue limit~s, processes ~s, memory ~s kB",
        [N div 2, signed(queued() - limit()), signed(erlang:system_info(process_count) - Processes),
         signed((erlang:memory(total) - Memory) div 1024)]),
    links(N).

links(N) ->
    gone(),
    Sink = far_node(),
    stop_and_fill(Sink),
    fill_for_good(Sink),
    Before = queued(),
    [spawn(fun() -> link(Sink), timer:sleep(infinity) end) || _ <- lists:seq(1, N)],
    timer:sleep(500),
    say("~B processes call link: queue limit~s -> limit~s", [N, signed(Before - limit()), signed(queued() - limit())]).

%% Which loop fills memory? 5000 attempts, each with 10000 bytes: 50 MB if all were kept.
memory() ->
    Fresh = fun(Call) -> fun(To) -> spawn(fun() -> Call(To, {m, data(10000)}) end) end end,
    Loops = [{"send [nosuspend]", fun(To) -> erlang:send(To, {m, data(10000)}, [nosuspend]) end},
             {"send_nosuspend/2", fun(To) -> erlang:send_nosuspend(To, {m, data(10000)}) end},
             {"send, own loop", fun(To) -> To ! {m, data(10000)} end},
             {"send [noconnect]", fun(To) -> erlang:send(To, {m, data(10000)}, [noconnect]) end},
             {"gen_server:cast", fun(To) -> gen_server:cast(To, data(10000)) end},
             {"spawn(send)", Fresh(fun(To, M) -> To ! M end)},
             {"spawn(send [nosuspend])", Fresh(fun(To, M) -> erlang:send(To, M, [nosuspend]) end)},
             {"spawn_request, data as argument", fun(_) ->
                 spawn_request(?FAR, erlang, size, [data(10000)], [{reply, no}]) end},
             {"exit/2, data as reason", fun(To) -> exit(To, {m, data(10000)}) end},
             {"link+exit with data", fun(To) -> spawn(fun() -> link(To), exit({m, data(10000)}) end) end}],
    [begin
         Sink = far_node(),
         stop_and_fill(Sink),
         garbage_collect(),
         {Bytes, Processes} = {erlang:memory(total), erlang:system_info(process_count)},
         Done = counters:new(1, []),
         Loop = spawn(fun() -> [begin Step(Sink), counters:add(Done, 1, 1) end || _ <- lists:seq(1, 5000)],
             timer:sleep(infinity) end),
         timer:sleep(2500),
         say("~-32s ~4B of 5000 calls returned, loop ~-9w queue ~9B, memory ~s kB, processes +~B",
             [Name, counters:get(Done, 1), status(Loop), queued(), signed((erlang:memory(total) - Bytes) div 1024),
              erlang:system_info(process_count) - Processes]),
         exit(Loop, kill),
         gone()
     end || {Name, Step} <- Loops].

%% The far node behind a relay that reads in small steps: at which queue length do senders go on?
resume() ->
    Sink = far_node(),
    Relay = through_relay(),
    Relay ! stop,
    fill(Sink),
    Counter = counters:new(1, []),
    [spawn(fun() -> Sink ! {I, data(1000)}, counters:add(Counter, 1, 1) end) || I <- lists:seq(1, 5)],
    timer:sleep(50),
    say("not busy: 5 senders, ~B done", [counters:get(Counter, 1)]),
    until_refused(Sink, {fill, data(1000)}),
    Waiting = [spawn(fun() -> Sink ! {I, data(1000)}, counters:add(Counter, 1, 1) end) || I <- lists:seq(1, 5)],
    timer:sleep(50),
    say("busy: queue limit~s, driver ~B, suspended ~w", [signed(queued() - limit()), driver(send_pend),
        [status(P) || P <- Waiting]]),
    Trace = step(Sink, Relay, Waiting, []),
    [say("  ~s", [L]) || L <- Trace],
    ok.

step(Sink, Relay, Waiting, Log) when length(Log) < 4000 ->
    Relay ! {read, 2000},
    timer:sleep(4),
    Line = io_lib:format("queue ~B, driver ~B, waiting ~B, nosuspend ~w",
                         [queued(), driver(send_pend), Left = length([P || P <- Waiting, status(P) =:= suspended]),
                          Answer = erlang:send(Sink, probe, [nosuspend])]),
    Next = [Line | Log],
    if Left =:= 0, Answer =:= ok -> lists:reverse(lists:sublist(Next,
        6)) ++ [io_lib:format("(after ~B steps of 2000)", [length(Next)])];
       true -> step(Sink, Relay, Waiting, Next)
    end;
step(_, _, _, Log) -> ["never" | lists:sublist(Log, 3)].

%% In which order do suspended senders go on, and does each get more than one message in?
order() ->
    Sink = far_node(),
    signal("STOP"),
    fill(Sink),
    until_refused(Sink, {fill, data(1000)}),
    Self = self(),
    Order = [begin
                 P = spawn(fun() -> Sink ! {{first, I}, data(1000)}, Self ! {resumed, I}, Sink ! {{second, I},
                     data(1000)} end),
                 wait_for(fun() -> status(P) end, fun(S) -> S =:= suspended end),
                 I
             end || I <- lists:seq(1, 8)],
    signal("CONT"),
    Resumed = [receive {resumed, I} -> I after 5000 -> none end || _ <- Order],
    timer:sleep(?SETTLE_MS),
    Sink ! {log, self()},
    receive {log, Log, Bytes} ->
        say("suspended ~w; went on ~w", [Order, Resumed]),
        say("delivered: first ~w second ~w; ~B bytes, fills ~B",
            [[I || {first, I} <- Log], [I || {second, I} <- Log], Bytes, length([F || F = fill <- Log])])
    after 5000 -> say("no log", [])
    end,
    gone(),
    crowd(300).

%% Many whose messages did not fit: all go on at once, and most are suspended again.
crowd(N) ->
    Sink = far_node(),
    stop_and_fill(Sink),
    fill_for_good(Sink),
    erlang:system_monitor(self(), [busy_dist_port]),
    [begin
         P = spawn(fun() -> Sink ! {I, data(10000)} end),
         wait_for(fun() -> status(P) end, fun(S) -> S =:= suspended end)
     end || I <- lists:seq(1, N)],
    First = length(events()),
    signal("CONT"),
    timer:sleep(1500),
    Again = length(events()),
    erlang:system_monitor(undefined),
    Sink ! {log, self()},
    Log = receive {log, L, _} -> [I || I <- L, is_integer(I)] after 5000 -> [] end,
    say("~B suspended with 10000 each: events ~B, after SIGCONT ~B more; delivered ~B, of these ~B before an "
        "earlier one",
        [N, First, Again, length(Log), length([1 || {A, B} <- lists:zip(lists:droplast(Log), tl(Log)), A > B])]).

broken() ->
    Sink = far_node(),
    stop_and_fill(Sink),
    until_refused(Sink, {fill, data(1000)}),
    Self = self(),
    Pids = [spawn(fun() -> R = Sink ! {I, data(1000)}, Self ! {went_on, I, short(R)} end) || I <- lists:seq(1, 5)],
    timer:sleep(?SETTLE_MS),
    say("queue limit~s, senders ~w", [signed(queued() - limit()), [status(P) || P <- Pids]]),
    T0 = erlang:monotonic_time(millisecond),
    signal("KILL"),
    after_end(T0, 5),
    say("next: [noconnect] -> ~w, [nosuspend,noconnect] -> ~w, [nosuspend] -> ~w, send_nosuspend/2 -> ~w, ! -> ~w",
        [erlang:send(Sink, x, [noconnect]), erlang:send(Sink, x, [nosuspend, noconnect]), erlang:send(Sink, x,
            [nosuspend]),
         erlang:send_nosuspend(Sink, x), Sink ! x]).

after_end(T0, N) ->
    [receive
         {went_on, I, R} -> say("~B ms: sender ~B goes on with ~w", [erlang:monotonic_time(millisecond) - T0, I, R]);
         {nodedown, _} -> say("~B ms: nodedown", [erlang:monotonic_time(millisecond) - T0])
     after 20000 -> say("nothing", []) end || _ <- lists:seq(0, N)].

%% The far node never reads again, and the near node finds out by its ticks.
tick() ->
    change_initiated = net_kernel:set_net_ticktime(4, 0),
    Sink = far_node(["-kernel", "net_ticktime", "4"]),
    stop_and_fill(Sink),
    until_refused(Sink, {fill, data(1000)}),
    Self = self(),
    [spawn(fun() -> R = Sink ! {I, data(1000)}, Self ! {went_on, I, short(R)} end) || I <- lists:seq(1, 3)],
    Memory = erlang:memory(total),
    T0 = erlang:monotonic_time(millisecond),
    after_end(T0, 3),
    say("memory ~s kB", [signed((erlang:memory(total) - Memory) div 1024)]),
    net_kernel:set_net_ticktime(60, 0).

%% The far node is stopped and not connected: what is accepted while the handshake hangs?
pending() ->
    Sink = far_node(),
    signal("STOP"),
    erlang:disconnect_node(?FAR),
    timer:sleep(?SETTLE_MS),
    flush(),
    say("not connected: [noconnect] -> ~w, [nosuspend,noconnect] -> ~w",
        [erlang:send(Sink, x, [noconnect]), erlang:send(Sink, x, [nosuspend, noconnect])]),
    T0 = erlang:monotonic_time(millisecond),
    say("[nosuspend] -> ~w in ~B ms", [erlang:send(Sink, x, [nosuspend]), erlang:monotonic_time(millisecond) - T0]),
    timer:sleep(?SETTLE_MS),
    say("connecting: [noconnect] -> ~w, [nosuspend] -> ~w", [erlang:send(Sink, x, [noconnect]),
        erlang:send(Sink, x, [nosuspend])]),
    Before = queued(),
    N = until_refused(Sink, {pending, data(10000)}),
    say("connecting: [nosuspend] of 10000: ~B accepted, queue ~B -> limit~s", [N, Before, signed(queued() - limit())]),
    Self = self(),
    [spawn(fun() -> R = Sink ! {I, data(1000)}, Self ! {went_on, I, short(R)} end) || I <- lists:seq(1, 3)],
    timer:sleep(?SETTLE_MS),
    say("3 senders: queue limit~s", [signed(queued() - limit())]),
    after_end(T0, 2).
