%% SPDX-License-Identifier: Apache-2.0
%% The other end of a connection, and bare pairs: sockets without inet_drv, so that only the kernel is between.
-module(port_peer).
-export([listen/2, address/1, accept/2, connect/3, do/2, probe/4]).

-record(peer, {socket, got = 0, ended = none, rate = stalled, last = #{}, broken = [], checks = true}).

listen(tcp, Options) -> listening(inet, #{family => inet, addr => {127, 0, 0, 1}, port => 0}, Options);
listen(unix, Options) ->
    Path = filename:join(os:getenv("PORT_SCRIPT_DIR", "/tmp"),
        "port-" ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive]))),
    listening(local, #{family => local, path => Path}, Options).

listening(Domain, Address, Options) ->
    {ok, Listener} = socket:open(Domain, stream),
    buffers(Listener, Options),
    ok = socket:bind(Listener, Address),
    ok = socket:listen(Listener, 16),
    Listener.

buffers(Socket, Options) ->
    [ok = socket:setopt(Socket, {socket, Name}, Value) || {Key, Name} <- [{sndbuf, sndbuf}, {recbuf, rcvbuf}],
                                                          {ok, Value} <- [maps:find(Key, Options)]].

%% For gen_tcp:connect/3: {Address, Port}.
address(Listener) ->
    case socket:sockname(Listener) of
        {ok, #{family := local, path := Path}} -> {{local, Path}, 0};
        {ok, #{addr := Ip, port := Port}} -> {Ip, Port}
    end.

%% The process that holds the other end. Checks: callers' bytes are a running pattern (no packet headers between).
accept(Listener, Checks) ->
    {ok, Socket} = socket:accept(Listener, 5000),
    socket:close(Listener),
    hold(Socket, Checks).

%% The other end of a port that gen_tcp:accept makes.
connect(Domain, Address, Options) ->
    {ok, Socket} = socket:open(Domain, stream),
    buffers(Socket, Options),
    ok = socket:connect(Socket, Address),
    hold(Socket, true).

hold(Socket, Checks) ->
    Pid = spawn(fun() -> receive go -> loop(#peer{socket = Socket, checks = Checks}) end end),
    ok = socket:setopt(Socket, {otp, controlling_process}, Pid),
    Pid ! go,
    Pid.

do(Pid, What) ->
    Ref = monitor(process, Pid),
    Pid ! {What, Ref, self()},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, _, _, Why} -> error({peer, Why})
    after 10000 -> error({peer, What})
    end.

loop(P) ->
    receive
        {What, Ref, From} -> {Answer, Next} = handle(What, P), From ! {Ref, Answer}, loop(Next);
        _ -> loop(P)
    after case P#peer.rate of stalled -> infinity; all -> 2; _ -> 20 end ->
        loop(drain(P))
    end.

handle({read, all}, P) -> {ok, read_until_quiet(P)};
handle({read, N}, P) -> {ok, read(P, N)};
handle({drain, Rate}, P) -> {ok, P#peer{rate = Rate}};
handle(stall, P) -> {ok, P#peer{rate = stalled}};
handle({send, Data}, P) -> {socket:send(P#peer.socket, Data, 1000), P};
handle(shut, P) -> {socket:shutdown(P#peer.socket, write), P};
handle(close, P) -> {socket:close(P#peer.socket), P#peer{rate = stalled}};
handle(reset, P) ->
    socket:setopt(P#peer.socket, {socket, linger}, #{onoff => true, linger => 0}),  % it may be closed already
    {socket:close(P#peer.socket), P#peer{rate = stalled}};
handle(state, P) ->
    Next = look(P),
    {#{"got" => Next#peer.got, "end" => atom_to_list(Next#peer.ended), broken => lists:reverse(Next#peer.broken)},
        Next}.

drain(P = #peer{rate = all}) -> read_all(P);
drain(P = #peer{rate = PerSecond}) -> read(P, max(1, PerSecond div 50)).

read(P, N) when N =< 0; P#peer.ended =/= none -> P;
read(P, N) ->
    case socket:recv(P#peer.socket, min(N, 65536), [], 50) of
        {ok, Data} -> read(take(P, Data), N - byte_size(Data));
        {error, {timeout, Data}} when is_binary(Data) -> take(P, Data);
        {error, timeout} -> P;
        {error, Why} -> ended(P, Why)
    end.

%% The port fills the kernel again while the peer reads.
read_until_quiet(P) ->
    Next = read_all(P),
    case Next#peer.got > P#peer.got of
        true -> timer:sleep(20), read_until_quiet(Next);
        false -> Next
    end.

read_all(P = #peer{ended = Ended}) when Ended =/= none -> P;
read_all(P) ->
    case socket:recv(P#peer.socket, 0, [], nowait) of
        {ok, Data} -> read_all(take(P, Data));
        {select, Info} -> socket:cancel(P#peer.socket, Info), P;
        {select, Info, Data} -> socket:cancel(P#peer.socket, Info), take(P, Data);
        {error, Why} -> ended(P, Why)
    end.

%% The end is seen without taking bytes.
look(P = #peer{ended = Ended}) when Ended =/= none -> P;
look(P) ->
    case socket:recv(P#peer.socket, 1, [peek], nowait) of
        {ok, _} -> P;
        {select, Info} -> socket:cancel(P#peer.socket, Info), P;
        {error, Why} -> ended(P, Why)
    end.

ended(P, {Why, Data}) when is_binary(Data) -> ended(take(P, Data), Why);
ended(P, closed) -> P#peer{ended = fin};
ended(P, econnreset) -> P#peer{ended = reset};
ended(P, _) -> P.

%% Byte = caller * 16 + counter, see port_caller.
take(P = #peer{checks = false}, Data) -> P#peer{got = P#peer.got + byte_size(Data)};
take(P, Data) ->
    {Last, Broken} = lists:foldl(fun(Byte, {Last, Broken}) ->
        Caller = Byte bsr 4,
        Wanted = maps:get(Caller, Last, 0),
        {Last#{Caller => (Wanted + 1) band 15}, case Byte band 15 of Wanted -> Broken; _ -> [Caller | Broken] end}
    end, {P#peer.last, P#peer.broken}, binary_to_list(Data)),
    P#peer{got = P#peer.got + byte_size(Data), last = Last, broken = Broken}.

%% {K, R}: so many sends of Size bytes fill the kernel; after so many reads it is writable again.
probe(Transport, Size, Near, Far) ->
    Listener = listen(Transport, Far),
    {ok, Address} = socket:sockname(Listener),
    {ok, A} = socket:open(case Transport of tcp -> inet; unix -> local end, stream),
    buffers(A, Near),
    case Near of #{nodelay := true} when Transport =:= tcp -> ok = socket:setopt(A, {tcp, nodelay}, true); _ -> ok end,
    ok = socket:connect(A, Address),
    {ok, B} = socket:accept(Listener, 5000),
    {K, Ref} = fill(A, binary:copy(<<0>>, Size), 0),
    R = empty(A, B, Size, Ref, 0),
    [socket:close(S) || S <- [A, B, Listener]],
    {K, R}.

fill(A, Data, K) ->
    case socket:send(A, Data, [], nowait) of
        ok -> fill(A, Data, K + 1);
        {ok, _Rest} -> fill(A, Data, K);
        {select, Info} -> quiet(A, Data, K, Info);
        {select, Info, _} -> quiet(A, Data, K, Info)
    end.

%% A kernel that becomes writable by itself is not full.
quiet(A, Data, K, Info = {select_info, _, Ref}) ->
    receive {'$socket', A, select, Ref} -> fill(A, Data, K) after 200 -> {K, Info} end.

empty(A, B, Size, Info = {select_info, _, Ref}, R) when R < 1000000 ->
    {ok, _} = socket:recv(B, Size, [], 1000),
    receive {'$socket', A, select, Ref} -> R + 1 after 100 -> empty(A, B, Size, Info, R + 1) end.
