"""The 20 articles of `longhand demo`: half of them English, half Chinese, of different lengths."""

ARTICLES = {
    "lighthouse": "Write a 180-word article about how lighthouses were kept burning before electricity.",
    "sourdough": "Write a 150-word blog post for beginners about keeping a sourdough starter alive.",
    "night-trains": "Write a 200-word travel article about the return of night trains in Europe.",
    "honeybees": "Write a 160-word article about how honeybees decide where to build a new nest.",
    "chess": "Write a 140-word column about what losing at chess teaches a child.",
    "tides": "Write a 170-word explanation of the tides for readers without physics.",
    "letters": "Write a 150-word essay in praise of letters written by hand.",
    "repair-cafe": "Write a 180-word news report about a repair café that opened in a small town.",
    "mushrooms": "Write a 160-word article about how mushrooms talk to trees.",
    "bicycles": "Write a 190-word opinion piece about streets that were given back to bicycles.",
    "tea": "写一篇约200字的文章，介绍中国茶文化的由来。",
    "night-market": "写一篇200字左右的游记，描写南方小城的夜市。",
    "grandmother": "写一篇约220字的散文，回忆外婆的厨房。",
    "high-speed-rail": "写一篇180字左右的短文，谈谈高铁如何改变了人们的生活。",
    "reading": "写一篇约200字的演讲稿，鼓励年轻人多读纸质书。",
    "panda": "写一篇200字左右的科普文章，介绍大熊猫的日常生活。",
    "spring-festival": "写一篇约240字的文章，介绍春节的习俗。",
    "old-town": "写一篇180字左右的评论，讨论古镇的保护与开发。",
    "calligraphy": "写一篇约200字的文章，谈谈学习书法的乐趣。",
    "stars": "写一篇220字左右的科普短文，解释星星为什么会闪烁。",
}
