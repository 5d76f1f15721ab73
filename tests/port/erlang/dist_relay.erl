%% SPDX-License-Identifier: Apache-2.0
%% A relay between the nodes of dist_measure that reads from the near one only as much as it is told. The near node runs
%% with -epmd_module dist_relay, so that the relay can be put in the way.
-module(dist_relay).
-export([through_relay/0, start_link/0, register_node/2, register_node/3, listen_port_please/2, names/1,
         address_please/3, port_please/2, port_please/3]).

-define(FAR, 'far@127.0.0.1').
-define(SETTLE_MS, 300).

%% Reconnects through a listener that stands between; it reads from the near node only what it is told to.
through_relay() ->
    {port, FarPort, Version} = erl_epmd:port_please("far", "127.0.0.1"),
    Self = self(),
    Relay = spawn(fun() -> relay(Self, FarPort) end),
    receive {relay, Port} -> ets:insert(relay, {far, Port, Version}) end,
    erlang:disconnect_node(?FAR),
    timer:sleep(?SETTLE_MS),
    dist_far:connect(50),
    timer:sleep(?SETTLE_MS),
    Relay.

relay(Parent, FarPort) ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}, {recbuf, 4096}]),
    {ok, Port} = inet:port(L),
    Parent ! {relay, Port},
    {ok, Near} = gen_tcp:accept(L),
    {ok, Far} = gen_tcp:connect({127, 0, 0, 1}, FarPort, [binary, {active, true}]),
    inet:setopts(Near, [{active, true}]),
    relay_loop(Near, Far).

relay_loop(Near, Far) ->
    receive
        {tcp, Near, Bytes} -> gen_tcp:send(Far, Bytes), relay_loop(Near, Far);
        {tcp, Far, Bytes} -> gen_tcp:send(Near, Bytes), relay_loop(Near, Far);
        stop -> inet:setopts(Near, [{active, false}]), relay_loop(Near, Far);
        {read, N} ->
            case gen_tcp:recv(Near, N, 100) of {ok, Bytes} -> gen_tcp:send(Far, Bytes); {error, _} -> ok end,
            relay_loop(Near, Far);
        {tcp_closed, _} -> ok
    end.

start_link() -> erl_epmd:start_link().
register_node(Name, Port) -> erl_epmd:register_node(Name, Port).
register_node(Name, Port, Family) -> erl_epmd:register_node(Name, Port, Family).
listen_port_please(Name, Host) -> erl_epmd:listen_port_please(Name, Host).
names(Host) -> erl_epmd:names(Host).
address_please(Name, Host, Family) -> erl_epmd:address_please(Name, Host, Family).
port_please(Name, Host) -> port_please(Name, Host, infinity).
port_please(Name, Host, Timeout) ->
    case ets:whereis(relay) =/= undefined andalso ets:lookup(relay, list_to_atom(Name)) of
        [{far, Port, Version}] -> ets:delete(relay, far), {port, Port, Version};
        _ -> erl_epmd:port_please(Name, Host, Timeout)
    end.
