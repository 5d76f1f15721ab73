%% SPDX-License-Identifier: Apache-2.0
%% The load of `tcpadvisor port drive` on real gen_tcp: one process for each connection, each sends again when its last
%% call has returned, and notes how long it took.
%%   erl -noshell -run bench_gen_tcp main PORT CONNECTIONS SECONDS BYTES DELAY_SEND   prints one line of JSON
%%   erl -noshell -run bench_gen_tcp idle PORT CONNECTIONS                            memory of a connection
-module(bench_gen_tcp).
-export([main/1, idle/1]).

-define(STEP_BITS, 5).  % 32 steps for each power of two, as the histogram of `port drive`
-define(BUCKETS, 2048).

main(Arguments) ->
    [Port, Connections, Seconds, Bytes] = [list_to_integer(A) || A <- lists:sublist(Arguments, 4)],
    Delay = list_to_atom(lists:nth(5, Arguments)),
    Data = binary:copy(<<"x">>, Bytes),
    Self = self(),
    Senders = [spawn_link(fun() ->
        Socket = connect(Port, Delay),
        Self ! {self(), ready},
        receive go -> ok end,
        Counts = counters:new(?BUCKETS, []),
        End = erlang:monotonic_time(nanosecond) + Seconds * 1000000000,
        Self ! {self(), send(Socket, Data, Counts, erlang:monotonic_time(nanosecond), End, 0), Counts}
    end) || _ <- lists:seq(1, Connections)],
    [receive {S, ready} -> ok end || S <- Senders],
    Began = erlang:monotonic_time(nanosecond),
    CpuBefore = cpu_seconds(),
    [S ! go || S <- Senders],
    Results = [receive {S, Sent, Counts} -> {Sent, Counts} end || S <- Senders],
    CpuAfter = cpu_seconds(),
    Took = (erlang:monotonic_time(nanosecond) - Began) / 1.0e9,
    Messages = lists:sum([Sent || {Sent, _} <- Results]),
    Sums = [lists:sum([counters:get(C, I) || {_, C} <- Results]) || I <- lists:seq(1, ?BUCKETS)],
    io:format("{\"messages\":~B,\"seconds\":~.3f,\"messages_per_s\":~.1f,\"cpu_seconds\":~.3f,\"send\":{\"p50_us\":~.2f,\"p99_us\":~.2f,\"p999_us\":~.2f}}~n",
              [Messages, Took, Messages / Took, CpuAfter - CpuBefore, percentile(Sums, Messages, 0.5), percentile(Sums, Messages, 0.99),
               percentile(Sums, Messages, 0.999)]),
    halt(0).

idle([Port, Connections]) ->
    _ = connect(list_to_integer(Port), false),
    Before = resident(),
    Sockets = [connect(list_to_integer(Port), false) || _ <- lists:seq(1, list_to_integer(Connections))],
    io:format("{\"memory_per_port_bytes\":~B}~n", [(resident() - Before) div length(Sockets)]),
    halt(0).

connect(Port, Delay) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}, {delay_send, Delay}]),
    Socket.

send(_, _, _, Now, End, Sent) when Now >= End -> Sent;
send(Socket, Data, Counts, Called, End, Sent) ->
    ok = gen_tcp:send(Socket, Data),
    Now = erlang:monotonic_time(nanosecond),
    counters:add(Counts, bucket(Now - Called) + 1, 1),
    send(Socket, Data, Counts, Now, End, Sent + 1).

bucket(Ns) when Ns < 1 bsl ?STEP_BITS -> Ns;
bucket(Ns) -> bucket(Ns, 0).
bucket(Ns, Shift) when Ns < 2 bsl ?STEP_BITS -> ((Shift + 1) bsl ?STEP_BITS) + Ns - (1 bsl ?STEP_BITS);
bucket(Ns, Shift) -> bucket(Ns bsr 1, Shift + 1).

upper_end(B) when B < 1 bsl ?STEP_BITS -> B;
upper_end(B) -> (((1 bsl ?STEP_BITS) + (B band ((1 bsl ?STEP_BITS) - 1)) + 1) bsl ((B bsr ?STEP_BITS) - 1)) - 1.

percentile(Sums, Messages, Share) -> percentile(Sums, ceil(Messages * Share), 0, 0).
percentile([N | _], Wanted, B, Seen) when Seen + N >= Wanted -> upper_end(B) / 1000;
percentile([N | Rest], Wanted, B, Seen) -> percentile(Rest, Wanted, B + 1, Seen + N);
percentile([], _, B, _) -> upper_end(B) / 1000.

%% User and system time of the whole VM; statistics(runtime) knows the user's part only.
cpu_seconds() ->
    {ok, Text} = file:read_file("/proc/self/stat"),
    Fields = string:split(lists:last(string:split(Text, ") ", trailing)), " ", all),
    lists:sum([binary_to_integer(lists:nth(N, Fields)) || N <- [12, 13]]) / 100.  % ticks of 10 ms

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:split(Text, " ", all),
    binary_to_integer(Pages) * 4096.
