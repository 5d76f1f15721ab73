%% SPDX-License-Identifier: Apache-2.0
%% The words of a port script (docs/port-scripts.md): lines, numbers, times, comparisons. What tcpadvisor itself checks
%% with line and column is taken for granted here.
-module(port_words).
-export([steps/1, number/2, time/1, key_value/1, option/2, compare/4, result/1]).

%% [{Line number, [Word]}] without comments and empty lines.
steps(Text) ->
    Lines = string:split(Text, "\n", all),
    [{N, Words} || {N, Line} <- lists:zip(lists:seq(1, length(Lines)), Lines),
                   Words <- [string:lexemes(hd(string:split(Line, "#")), " \t\r")], Words =/= []].

%% Sums and products without blanks: 100, 8KiB, Q+10, 2*K-1.
number(Text, Names) ->
    Spaced = lists:flatmap(fun(C) when C =:= $+; C =:= $- -> [$\s, C, $\s]; (C) -> [C] end, Text),
    sum(string:lexemes(Spaced, " "), 1, 0, Names).

sum([], _, Total, _) -> Total;
sum(["+" | Rest], _, Total, Names) -> sum(Rest, 1, Total, Names);
sum(["-" | Rest], _, Total, Names) -> sum(Rest, -1, Total, Names);
sum([Product | Rest], Sign, Total, Names) ->
    Value = lists:foldl(fun(Factor, V) -> V * factor(Factor, Names) end, 1, string:lexemes(Product, "*")),
    sum(Rest, 1, Total + Sign * Value, Names).

factor(Text, Names) ->
    case maps:find(Text, Names) of
        {ok, Value} -> Value;
        error ->
            {N, Unit} = string:to_integer(Text),
            N * case Unit of "" -> 1; "KiB" -> 1024; "MiB" -> 1048576; "GiB" -> 1073741824 end
    end.

%% Milliseconds.
time(Text) ->
    {N, Unit} = string:to_integer(Text),
    N * case Unit of "ms" -> 1; "s" -> 1000; "m" -> 60000 end.

%% {"q", ">=", "10"}, or a bare word.
key_value(Word) ->
    case re:run(Word, "^([A-Za-z_]+)(>=|<=|!=|=|>|<)(.+)$", [{capture, [1, 2, 3], list}]) of
        {match, [Key, Operator, Value]} -> {Key, Operator, Value};
        nomatch -> Word
    end.

%% As inet:setopts wants it.
option({Name, "=", Value}, Names) -> {list_to_atom(long(Name)), value(Value, Names)}.

long("high") -> "high_watermark";
long("low") -> "low_watermark";
long("mq_high") -> "high_msgq_watermark";
long("mq_low") -> "low_msgq_watermark";
long(Name) -> Name.

value(Text, Names) ->
    case lists:member(Text, ["true", "false", "infinity", "once", "raw"]) of
        true -> list_to_atom(Text);
        false ->
            case string:split(Text, "/") of
                [On, Seconds] -> {list_to_atom(On), list_to_integer(Seconds)};
                [_] -> case lists:member($., Text) of true -> list_to_float(Text); false -> number(Text, Names) end
            end
    end.

compare(A, "=", B, Slack) -> abs(A - B) =< Slack;
compare(A, "!=", B, _) -> A =/= B;
compare(A, ">", B, _) -> A > B;
compare(A, ">=", B, _) -> A >= B;
compare(A, "<", B, _) -> A < B;
compare(A, "<=", B, _) -> A =< B.

%% A term as it stands in scripts: {error,closed}.
result(Term) -> lists:flatten(io_lib:format("~w", [Term])).
