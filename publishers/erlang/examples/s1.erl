%% SPDX-License-Identifier: Apache-2.0
%% A server that answers 1 MiB to a client that does not read, and then shuts down: is the answer sent, or lost?
%%   erlc s1.erl ../src/tcpadvisor_queue.erl && erl -noshell -run s1 main 30    stays for 30 s, then the client ends
%% Meanwhile, elsewhere: tcpadvisor watch. The publisher in ../src tells it what waits inside Erlang.
-module(s1).
-export([main/1]).

-define(ANSWER_BYTES, 1048576).

main([Seconds]) ->
    tcpadvisor_queue:start(),
    {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}, {recbuf, 131072},
                                        {nodelay, false}, {delay_send, true}, {sndbuf, 65536}, {exit_on_close, true}]),
    {ok, Port} = inet:port(Listener),
    Stay = list_to_integer(Seconds) * 1000,
    Client = spawn(fun() ->
        {ok, Lazy} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}, {recbuf, 131072}]),
        receive stop -> gen_tcp:close(Lazy) end
    end),
    {ok, Server} = gen_tcp:accept(Listener),
    register(s1_server, self()),
    say("server 127.0.0.1:~B, process ~s; the client does not read", [Port, os:getpid()]),
    say("send of ~B bytes: ~p", [?ANSWER_BYTES, gen_tcp:send(Server, binary:copy(<<"x">>, ?ANSWER_BYTES))]),
    say("in the driver's queue: ~B bytes", [pending(Server)]),
    timer:sleep(500),
    say("half a second later:   ~B bytes; the kernel has taken the rest", [pending(Server)]),
    {Micros, Result} = timer:tc(fun() -> gen_tcp:shutdown(Server, write) end),
    say("shutdown(write): ~p after ~B ms; in the queue: ~B bytes", [Result, Micros div 1000, pending(Server)]),
    messages(Stay),
    say("the client closes; in the queue: ~B bytes", [pending(Server)]),
    Client ! stop,
    say("recv: ~p; in the queue: ~B bytes", [gen_tcp:recv(Server, 0, 5000), pending(Server)]),
    messages(200),
    halt(0).

pending(Socket) ->
    case inet:getstat(Socket, [send_pend]) of {ok, [{send_pend, N}]} -> N; {error, _} -> 0 end.

messages(Ms) -> receive M -> say("message: ~p", [M]), messages(Ms) after Ms -> ok end.

say(Format, Args) -> io:format(Format ++ "~n", Args).
