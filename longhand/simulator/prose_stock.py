"""What the simulator's articles are made of: words, and sentences with gaps for them.

`{topic}` and `{other}` are words of the prompt, `{noun}`, `{quality}` and `{who}` come from the lists here.
"""

from typing import NamedTuple


class Stock(NamedTuple):
    """The templates and words of one language."""

    titles: tuple[str, ...]
    headings: tuple[str, ...]
    last_heading: str
    openings: tuple[str, ...]
    sentences: tuple[str, ...]
    points: tuple[str, ...]
    quotes: tuple[str, ...]
    closings: tuple[str, ...]
    nouns: tuple[str, ...]
    qualities: tuple[str, ...]
    people: tuple[str, ...]
    topics: tuple[str, ...]
    emoji: tuple[str, ...]
    between_sentences: str
    sentence_length: int
    """How long a sentence is, about."""


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.strip().splitlines())


def _words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


ENGLISH = Stock(
    titles=("A closer look at {topic}", "{topic} and {other}: what matters", "Living with {topic}", "On {topic}"),
    headings=_lines("""
Where {topic} begins
What {topic} changes
{topic} in practice
The {quality} side of {topic}
Common mistakes
Voices from the field
What {who} should know about {topic}
"""),
    last_heading="Conclusion",
    openings=_lines("""
Few subjects divide {who} as quickly as {topic}.
It is tempting to treat {topic} as a {noun} and leave it there.
When we speak about {topic}, we usually mean {other} as well.
"""),
    sentences=_lines("""
In practice, {topic} depends on a {quality} {noun} more than on any single decision.
Most {who} describe {topic} as a {noun} that has to be learned slowly.
That is why {other} and {topic} belong in the same conversation.
The first {noun} is rarely the best one — it is simply the one that was at hand.
A {quality} approach to {topic} leaves room for doubt.
Nobody planned it that way; the {noun} grew out of daily habit.
There is a {quality} reason for this, and it has little to do with {other}.
Compare this with {other}, where the same {noun} led to a very different result.
Over the years {who} have found that small steps beat a {quality} plan.
“We thought {topic} would take a week,” one of the {who} recalls, “and it took a year.”
What looks like a {noun} from far away turns out to be a {noun} with many parts.
The numbers are modest: roughly {number} percent of all cases involve {topic} at all.
Still, {topic} offers something that {other} cannot.
If the {noun} fails, {who} notice it long before any report does.
Seen in this light, {topic} is less a goal than a {quality} way of working.
It helps to write down each {noun}, however small, and to return to it after {number} days.
Critics answer that a {quality} {noun} costs more than it gives.
They have a point, although {topic} has changed a great deal since then.
Time matters here: after {number} hours the {noun} is usually settled.
None of this is naïve optimism; it is the plain experience of {who}.
And yet the {noun} remains.
A café in a side street taught me more about {topic} than any book did.
For {who}, the question is not whether {topic} matters but how much of it they can bear.
Good {topic} begins with listening, and it ends with a {noun} that others can use.
"""),
    points=_lines("""
**{topic}**: a {quality} {noun} that {who} can start with today
keep {other} in view, even when the {noun} seems {quality}
ask two or three {who} before settling on a {noun}
write down what {topic} costs, and what it gives back
"""),
    quotes=_lines("""
Whoever understands {topic} has understood half of {other}.
A {noun} is only as {quality} as the people behind it.
"""),
    closings=_lines("""
In the end, {topic} is worth the {quality} effort it asks for.
So the next step is a small one: choose one {noun}, and begin.
"""),
    nouns=_words(
        "habit pattern method question framework story balance journey lesson promise routine signal bridge detail"
    ),
    qualities=_words("quiet careful surprising practical patient fragile lasting bold modest generous subtle steady"),
    people=_words("readers researchers neighbours colleagues families teachers visitors"),
    topics=_words("attention change memory"),
    emoji=("🌱", "✨", "📌", "🎯", "👩‍🔬", "🙂"),
    between_sentences=" ",
    sentence_length=14,
)

CHINESE = Stock(
    titles=("浅谈{topic}", "{topic}与{other}：一次深入的观察", "走近{topic}", "{topic}背后的故事"),
    headings=_lines("""
{topic}从何而来
{topic}带来的变化
实践中的{topic}
常见的误区
来自一线的声音
{topic}的{quality}一面
{who}眼中的{topic}
"""),
    last_heading="结语",
    openings=_lines("""
提起{topic}，很多{who}首先想到的是{other}。
近年来，{topic}逐渐成为{who}关注的话题。
如果只把{topic}看作一种{noun}，未免过于简单。
"""),
    sentences=_lines("""
在实践中，{topic}更多地取决于{quality}的{noun}，而不是某一次决定。
不少{who}认为，{topic}是一种需要慢慢积累的{noun}。
正因为如此，{other}和{topic}常常被放在一起讨论。
最初的{noun}往往并不完美，却为后来的探索打下了基础。
没有人预先设计好这一切，{noun}是在日常生活中一点一滴形成的。
与{other}相比，{topic}显得更加{quality}。
“我们原以为{topic}只要一周，”一位受访者回忆说，“结果用了整整一年。”
从远处看，它只是一个{noun}；走近以后，才发现其中包含许多细节。
数据并不惊人：约 {number}% 的案例与{topic}有关。
即便如此，{topic}所提供的价值，仍然是{other}无法替代的。
一旦{noun}出现偏差，{who}总是最先察觉。
换个角度看，{topic}与其说是目标，不如说是一种{quality}的工作方式。
把每一个{noun}记录下来，过{number}天再回头看，会有新的收获。
当然，也有人质疑：{quality}的{noun}是否值得付出这样的代价？
这种看法不无道理，不过{topic}早已今非昔比。
时间同样重要——{number}个小时之后，局面通常已经明朗。
这并不是盲目乐观，而是{who}的切身体会。
对于{who}来说，问题不在于{topic}是否重要，而在于自己能够承担多少。
好的{topic}从倾听开始，最终落实为大家都能使用的{noun}。
窗外的灯光渐渐暗下来，关于{topic}的讨论却还在继续……
"""),
    points=_lines("""
**{topic}**：从一个{quality}的{noun}做起
兼顾{other}，避免顾此失彼
多听取{who}的意见，再确定{noun}
记录{topic}的投入与回报
"""),
    quotes=_lines("""
理解了{topic}，也就理解了{other}的一半。
一个{noun}是否{quality}，取决于背后的人。
"""),
    closings=_lines("""
归根结底，{topic}值得我们付出{quality}的努力。
下一步其实很小：选定一个{noun}，然后开始。
"""),
    nouns=_words("习惯 方法 问题 框架 故事 平衡 过程 结构 经验 承诺 细节 视角 机制 选择"),
    qualities=_words("稳健 细致 务实 耐心 真诚 持久 平凡 大胆 谦逊 微妙 朴素 系统"),
    people=_words("读者 研究者 从业者 年轻人 同事 普通家庭 教师 参与者"),
    topics=_words("日常工作 注意力 变化 记忆"),
    emoji=("🌱", "✨", "📌", "🎯", "👍", "😊"),
    between_sentences="",
    sentence_length=24,
)
