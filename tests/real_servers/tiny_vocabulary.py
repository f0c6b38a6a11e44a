"""What the tiny random models can say. Read by the makers of models, which run in the Python of a server."""

_LINES = (
    "tea rain the a of and is in to with that water leaf morning river stone light winter garden old small never, "
    "always. again; quiet warm slow naïve café Füße größer Москва чай снег 茶 雨 今天。 你好， 山 水 🍵 🌧️ 👩‍🌾 ½ — "
    '“so” ‘it’ العربية ไทย e\u0301 \t \n \n\n # ## - * ``` { } [DONE] data: </s>x &amp; \\n \\" " \' null'
)
WORDS = _LINES.split(" ")
"""Words of many scripts, and pieces that a careless reader of streams would take for framing."""

CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"

SEED = 7
