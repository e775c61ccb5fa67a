"""Conversations to render: all that chat templates branch on."""

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": " The weather of a place, now.\n",
    "parameters": {"type": "object", "properties": {
        "place": {"type": "string", "description": "A city, like 東京 or \"München\""},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": None},
        "days": {"type": ["integer", "null"], "minimum": 0, "maximum": 7.5, "exclusive": False}},
        "required": ["place"], "additionalProperties": False}}}
DIARY = {"type": "function", "function": {
    "name": "write_diary", "description": "日記を書く <b>&amp;</b> 's",
    "parameters": {"type": "object", "properties": {
        "entry": {"type": "object", "description": "what happened\\today", "properties": {"mood": {"type": "number"}}},
        "tags": {"type": "array", "items": {"type": "string"}, "title": "Tags"}}}}}
BARE = {"name": "ping", "description": "No envelope.", "parameters": {"type": "object", "properties": {}}}
ODD = {"type": "function", "function": {"name": "odd", "description": "keys", "strict": True, "weight": 1e-07, "count": 10 ** 12,
                                        "parameters": {"type": "object", "properties": {"x": {"type": "integer", "description": "a\tb\x07c"}}}}}


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def reply(text, **extra):
    return {"role": "assistant", "content": text, **extra}


def tool(text):
    return {"role": "tool", "content": text}


def call(name, arguments, envelope=True):
    function = {"name": name, "arguments": arguments}
    return {"type": "function", "id": "call_1", "function": function} if envelope else function


def conversations():
    """(name, request) for each; a request is what tests/text/text_probe reads."""
    yield from plain()
    yield from with_tools()
    yield from thinking()
    yield from texts_that_are_awkward()


def entry(name, messages, **more):
    return name, {"messages": messages, "open_reply": True, **more}


def plain():
    gyaru = system("あなたはギャルです。一人称は「あーし」。")
    hello, answer = user("こんにちは"), reply("やっほー！あーしだよ〜♪")
    yield entry("one question, no system", [hello])
    yield entry("one question, not opened", [hello], open_reply=False)
    yield entry("system and question", [gyaru, hello])
    yield entry("empty system", [system(""), hello])
    yield entry("two turns", [gyaru, hello, answer, user("How are you?")])
    yield entry("two turns, no system", [hello, answer, user("元気？")])
    yield entry("ends with a reply", [gyaru, hello, answer], open_reply=False)
    yield entry("six turns", [gyaru] + [m for i in range(6) for m in (user(f"question {i}"), reply(f"答え{i}"))] + [user("last")])
    yield entry("system in the middle", [hello, answer, system("Be brief."), user("ok")])
    yield entry("two systems", [gyaru, system("And kind."), hello])
    yield entry("assistant first", [answer, hello])
    yield entry("user twice", [hello, user("もしもし？")])
    yield entry("only a system", [gyaru])
    yield entry("variables", [gyaru, hello], variables={"enable_thinking": True, "custom": {"a": [1, 2]}})
    yield entry("continue", [gyaru, hello, reply("やっほー！あーし")], open_reply=False, continue_last=True)
    yield entry("continue, space kept", [hello, reply("And then ")], open_reply=False, continue_last=True)
    yield entry("continue an empty reply", [hello, reply("")], open_reply=False, continue_last=True)


def with_tools():
    ask, gyaru = user("東京の天気は？"), system("Use tools.\n")
    weather = reply("", tool_calls=[call("get_weather", {"place": "東京", "unit": None, "days": 3})])
    yield entry("tools", [ask], tools=[WEATHER])
    yield entry("tools and system", [gyaru, ask], tools=[WEATHER, DIARY])
    yield entry("no tools", [gyaru, ask], tools=[])
    yield entry("a bare tool", [ask], tools=[BARE])
    yield entry("odd tools", [ask], tools=[ODD, DIARY, BARE])
    yield entry("a tool call", [ask, weather], tools=[WEATHER], open_reply=False)
    yield entry("a tool's answer", [ask, weather, tool('{"temp": 21.5}')], tools=[WEATHER])
    yield entry("answered", [ask, weather, tool("晴れ"), reply("晴れだって！")], tools=[WEATHER], open_reply=False)
    yield entry("another question", [gyaru, ask, weather, tool("晴れ"), reply("晴れ！"), user("thanks")], tools=[WEATHER])
    yield entry("words and a call", [ask, reply("見てみるね。", tool_calls=[call("get_weather", {"place": "a"})])], tools=[WEATHER])
    two = [call("get_weather", {"place": "東京"}), call("write_diary", {"entry": {"mood": 0.5, "n": [1, True, None]}, "tags": ["a", "b"]})]
    yield entry("two calls", [ask, reply("", tool_calls=two), tool("1"), tool("2")], tools=[WEATHER, DIARY])
    yield entry("two calls with words", [ask, reply("ok", tool_calls=two), tool("1"), tool("2"), reply("done"), user("next")], tools=[WEATHER, DIARY])
    yield entry("a call without envelope", [ask, reply("", tool_calls=[call("ping", {}, envelope=False)])], tools=[BARE])
    yield entry("no arguments", [ask, reply("", tool_calls=[call("ping", {})]), tool("pong")], tools=[BARE])
    yield entry("empty tool calls", [ask, reply("hm", tool_calls=[]), user("?")], tools=[BARE])
    yield entry("numbers as arguments", [ask, reply("", tool_calls=[call("odd", {"i": -3, "f": 2.0, "s": 1e22, "t": 5e-324, "b": False, "x": 0.1})])])
    yield entry("arguments as a string", [ask, reply("", tool_calls=[call("ping", '{"a": 1}')]), tool("pong")], tools=[BARE])
    yield entry("content is none", [ask, {"role": "assistant", "tool_calls": two}, tool("x")], tools=[WEATHER])
    yield entry("tool first", [tool("out of nowhere"), ask], tools=[WEATHER])
    yield entry("tool answers in user text", [ask, weather, user("<tool_response>\n21\n</tool_response>"), reply("ok")], tools=[WEATHER], open_reply=False)


def thinking():
    ask = user("1+1?")
    thought = reply("<think>\nOne and one.\n</think>\n\n2")
    yield entry("thinking on", [ask], variables={"enable_thinking": True})
    yield entry("thinking off", [ask], variables={"enable_thinking": False})
    yield entry("thinking off, tools", [ask], tools=[WEATHER], variables={"enable_thinking": False})
    yield entry("a thought in the past", [ask, thought, user("2+2?")])
    yield entry("a thought at the end", [ask, thought], open_reply=False)
    yield entry("two thoughts", [ask, thought, user("2+2?"), reply("<think>\nfour\n</think>\n\n4"), user("3+3?")], variables={"enable_thinking": False})
    yield entry("a thought as a field", [ask, reply("2", reasoning_content="One and one.\n"), user("2+2?")])
    yield entry("a thought as a field, at the end", [ask, reply("\n2", reasoning_content="\nOne\n")], open_reply=False)
    yield entry("a field that is none", [ask, reply("2", reasoning_content=None)], open_reply=False)
    yield entry("an empty thought", [ask, reply("<think>\n\n</think>\n\n2"), user("ok")])
    yield entry("a thought that does not end", [ask, reply("<think>\nhmm"), user("well?")])
    yield entry("a thought before a call", [ask, reply("<think>\nlook\n</think>\n\n", tool_calls=[call("ping", {"a": 1})]), tool("pong")], tools=[BARE])
    yield entry("a thought after a tool", [ask, reply("<think>\nlook\n</think>\n\n", tool_calls=[call("ping", {})]), tool("pong"),
                                           reply("<think>\nseen\n</think>\n\ndone")], tools=[BARE], open_reply=False)
    yield entry("two ends", [ask, reply("<think>a</think>b</think>c"), user("ok")])
    yield entry("continue a thought", [ask, reply("<think>\nOne and")], open_reply=False, continue_last=True)
    yield entry("continue after a thought", [ask, reply("<think>\nOne\n</think>\n\nIt is")], open_reply=False, continue_last=True)


def texts_that_are_awkward():
    yield entry("jinja in a message", [user("{{ messages }} {% if x %} {# no #} {{- 1 -}}"), reply("{% raw %}")], open_reply=False)
    yield entry("newlines and spaces", [system("\n a \n"), user("\n\n  x\t\r\n"), reply("\n\ny \n"), user(" ")])
    yield entry("quotes", [user("'a' \"b\" \\n \\ ` {'c': \"d\"}"), reply("it's")], open_reply=False)
    yield entry("emoji and joins", [user("👩\u200d👩\u200d👧 か\u3099 e\u0301 \ufeff"), reply("🏳\ufe0f\u200d🌈")], open_reply=False)
    yield entry("odd spaces", [user("\u00a0\u3000a\u2003\u2028\x1c\x85"), reply("\u3000")], open_reply=False)
    yield entry("empty message", [user("")])
    yield entry("long", [user("長い話。" * 3000), reply("ok " * 2000), user("end")])
    yield entry("another role", [{"role": "narrator", "content": "It rains."}, user("hm")])
