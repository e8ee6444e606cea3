"""How people say something about themselves in Chinese."""

import re

from onebot_bot.extraction.rules import Rule

# Possessive, here and below: whoever types 刚刚刚刚 a hundred times must not keep the bot busy for a year.
_VERY = (
    "(?:真的|确实|其实|一直|也|都|就|还|现在|目前|已经|最近|刚刚|刚|从小|平时|超级|超|特别|非常|很|最|比较|挺|更|今年|"
    "终于|又|一点都|从来都?|正)*+"
)

_OTHERS = "(?:[你您她它这那哪谁啥]|(?<![吉其])他)"
_JOB = (
    "老师|教师|工程师|设计师|厨师|律师|会计师?|药师|摄影师|分析师|理发师|架构师|程序员|公务员|服务员|消防员|快递员|外卖员|"
    "售货员|飞行员|研究员|运动员|演员|学生|大学生|研究生|高中生|初中生|小学生|留学生|博士|博士生|医生|护士|警察|司机|农民|"
    "工人|军人|作家|画家|音乐家|科学家|歌手|编辑|记者|翻译|经理|老板|导游|法官|教授|教练|码农|销售|客服|自由职业者"
)
_KIN = (
    "猫|小猫|猫咪|狗|小狗|狗狗|兔子|仓鼠|鹦鹉|乌龟|宠物|儿子|女儿|孩子|老婆|妻子|老公|丈夫|男朋友|女朋友|哥哥|姐姐|弟弟|妹妹|"
    "对象|爸爸|妈妈|爷爷|奶奶|外公|外婆|室友|同桌"
)
_DATED = "考试|面试|手术|婚礼|比赛|演出|答辩|体检|航班"
_ONE = (
    "名字|真名|全名|英文名|网名|昵称|年龄|职业|专业|星座|血型|老家|家乡|母语|学校|公司|身高|体重|属相|生肖|手机号|电话|邮箱|"
    "地址|睡觉时间|单位|手机型号|手机|鞋码|幸运数字"
)


def _rule(pattern: str, template: str, slot: str = "", importance: float = 0.6, refuse: str = "(?!)") -> Rule:
    return Rule(re.compile(pattern), template, slot, importance, re.compile(refuse))


RULES_ZH: tuple[Rule, ...] = (
    _rule(
        rf"我{_VERY}(?:叫|名叫|名字叫|的名字叫做?)(?P<value>\S{{1,12}})",
        "{who}的名字是{value}。",
        "my:名字",
        0.9,
        rf"^{_OTHERS}|^(?:了|过|不|人|大家|车|外卖|自己|醒|住|做)|[的了]$",
    ),
    _rule(
        r"我的?生日(?:是在|就是|是|在)?(?P<value>.*(?:\d|[一二三四五六七八九十]月|[今明后]天).*)",
        "{who}的生日是{value}。",
        "my:生日",
        0.9,
    ),
    _rule(rf"我{_VERY}(?:是)?(?P<value>\d{{1,3}}|[一二三四五六七八九十]{{1,3}})岁", "{who}{value}岁。", "age", 0.7),
    _rule(
        rf"我{_VERY}(?:家住在?|住在?|的?家在|搬家?到了?|搬家?去了?|搬来了?|定居在?|定居于)(?P<value>.{{1,15}})",
        "{who}住在{value}。",
        "city",
        0.8,
        rf"{_OTHERS}|^[院校的不过得进下了]|一起",
    ),
    _rule(rf"我{_VERY}来自(?P<value>.{{2,15}})", "{who}来自{value}。", "hometown", 0.7, _OTHERS),
    _rule(
        r"我是(?P<value>[\u4e00-\u9fff]{2,6})人",
        "{who}来自{value}。",
        "hometown",
        0.7,
        "[个的种这那]|^(?:男|女|好|坏|普通|成年|本地|外地|主持|机器|当事|过来|发起|负责|候选|工|军)|[爱男女好坏老大懒病新]$",
    ),
    _rule(
        rf"我{_VERY}(?:是|当|做)(?:一名|一个|一位|个|名|位)?(?P<value>[^的不你他她想去说]{{0,8}}?(?:{_JOB}))",
        "{who}的职业是{value}。",
        "my:职业",
        0.8,
    ),
    _rule(r"我的(?:工作|职业)(?:就是|是)(?P<value>.{1,12})", "{who}的职业是{value}。", "my:职业", 0.8, _OTHERS),
    _rule(
        rf"我{_VERY}在(?P<value>.{{1,15}}?)(?:上班|工作)",
        "{who}在{value}工作。",
        "work",
        0.8,
        rf"{_OTHERS}|努力|认真|不|好好",
    ),
    _rule(
        rf"我{_VERY}在(?P<value>.{{1,15}}?)(?:上学|读书|念书|上大学|读大学|读研|读博)",
        "{who}在{value}上学。",
        "study",
        0.8,
        rf"{_OTHERS}|不|好好",
    ),
    _rule(
        rf"我{_VERY}在(?P<value>[^的不你他她]{{1,12}}[当做])(?P<job>{_JOB})", "{who}在{value}{job}。", importance=0.8
    ),
    _rule(
        rf"我{_VERY}(?:学的是|是学|的专业是|专业是)(?P<value>.{{1,12}})",
        "{who}的专业是{value}。",
        "my:专业",
        0.7,
        _OTHERS,
    ),
    _rule(
        rf"我(?:用)?的?(?P<what>{_ONE})(?:就是|是|叫做?|在)(?P<value>.{{1,24}})",
        "{who}的{what}是{value}。",
        "my:{what}",
        0.8,
        _OTHERS,
    ),
    _rule(
        r"我的?(?P<what>爱好|乐器|运动项目|特长|偶像)(?:就是|是)(?P<value>.{1,20})",
        "{who}的{what}是{value}。",
        refuse=_OTHERS,
    ),
    _rule(rf"我{_VERY}是(?P<value>.{{2,14}})出生的?", "{who}是{value}出生的。", "born", 0.8, _OTHERS),
    _rule(rf"我{_VERY}在(?P<value>[^不]{{1,10}})长大的?", "{who}在{value}长大。", "grew up", 0.7, _OTHERS),
    _rule(
        rf"我{_VERY}是(?P<value>.{{1,15}})的(?:铁杆)?(?P<fan>粉丝|乐迷|球迷|影迷|歌迷|书迷)",
        "{who}是{value}的{fan}。",
        refuse=_OTHERS,
    ),
    _rule(
        rf"我{_VERY}在(?P<verb>学|练|读|看|追)(?P<value>《.{{1,20}}》.{{0,4}}|(?<=[学练]).{{1,8}})",
        "{who}在{verb}{value}。",
        refuse=r"^[习校着它他她]",
    ),
    _rule(
        r"我(?P<when>(?:下个月|下周|明年|今年|明天|后天|大后天|周末|暑假|寒假|国庆|过年|年底)?)(?:打算|计划|准备)(?P<value>.{2,15})",
        "{who}{when}打算{value}。",
        "",
        0.5,
        rf"{_OTHERS}|睡|吃饭|下线|洗澡|出门|^走|好|一下|下班|回家|^[再看]",
    ),
    _rule(
        rf"我给(?:我?家?的?)(?P<what>{_KIN})(?:起名叫?|取名叫?)(?P<value>\S{{1,10}})",
        "{who}的{what}叫{value}。",
        "called:{what}",
        0.8,
    ),
    _rule(
        r"我最(?:喜欢|爱)(?:吃|喝|看|听|玩)?的(?P<what>(?!就是|是).{1,8}?)(?:就是|是)(?P<value>.{1,20})",
        "{who}最喜欢的{what}是{value}。",
        "favourite:{what}",
        0.6,
        _OTHERS,
    ),
    _rule(
        rf"我(?:家)?的?(?P<what>{_KIN})(?:的?名字)?(?:是叫|叫做?|名叫)(?P<value>\S{{1,10}})",
        "{who}的{what}叫{value}。",
        "called:{what}",
        0.8,
        rf"^{_OTHERS}|^(?:我|人|不|得|了|个)|了$",
    ),
    _rule(
        rf"我(?:家里?)?{_VERY}养(?:了|着|过)?(?P<value>.{{2,24}})",
        "{who}养了{value}。",
        "",
        0.7,
        f"{_OTHERS}|^[成不好]",
    ),
    _rule(
        rf"我(?:家里?)?{_VERY}有(?P<value>(?:[一两二三四五六七八九十几]|\d{{1,2}})?[只条匹头位台辆架把套个](?!问题).{{1,20}})",
        "{who}有{value}。",
        "",
        0.7,
        f"{_OTHERS}|问题|想法|事|疑问|建议|请求|办法|预感|感觉|梦|秘密|消息|因为|所以|会|作业|小时|月|星期|好|坏|主意|计划|忙|毛病|机会",
    ),
    _rule(
        rf"我{_VERY}对(?P<value>.{{1,15}}?)(?:严重|有点|有些|会|都)?过敏",
        "{who}对{value}过敏。",
        "allergy:{value}",
        0.9,
        rf"{_OTHERS}|不",
    ),
    _rule(rf"我{_VERY}一[碰吃喝闻](?P<value>.{{1,10}})就过敏", "{who}对{value}过敏。", "allergy:{value}", 0.9, _OTHERS),
    _rule(rf"我{_VERY}对(?P<value>.{{1,15}}?)不(?:再)?过敏", "{who}对{value}不过敏。", "allergy:{value}", 0.9, _OTHERS),
    _rule(
        rf"我{_VERY}(?:不喜欢|不再喜欢|讨厌|不爱|受不了)(?P<value>.{{1,15}})",
        "{who}不喜欢{value}。",
        "taste:{value}",
        0.6,
        _OTHERS,
    ),
    _rule(
        rf"我{_VERY}(?:喜欢|热爱|爱(?=[吃喝看听玩打唱跳画养读写]))(?:的就是|的是)?(?P<value>.{{1,15}}?)的?",
        "{who}喜欢{value}。",
        "taste:{value}",
        0.6,
        f"{_OTHERS}|^[的上过不死我]|^看着|^[吃喝看听玩打唱跳画养读写]$|其中",
    ),
    _rule(
        rf"我{_VERY}(?:害怕|怕)(?:的是|的就是)?(?P<value>.{{1,6}})",
        "{who}怕{value}。",
        refuse=f"{_OTHERS}|^[是不了得我]|自己|来不及|错过|说|会",
    ),
    _rule(
        rf"我{_VERY}(?P<verb>不吃|不喝|不能吃|不能喝)(?P<value>.{{1,10}})",
        "{who}{verb}{value}。",
        importance=0.8,
        refuse=f"{_OTHERS}|^[了饭的]",
    ),
    _rule(
        rf"我{_VERY}会(?P<value>(?:说|讲|演奏|弹|拉|吹|打|游|编|跳|唱).{{1,10}})",
        "{who}会{value}。",
        refuse=f"{_OTHERS}|的|好|完|到|给|一下|电话|招呼",
    ),
    _rule(
        rf"我{_VERY}(?P<value>.{{0,4}}\d{{1,2}}点.{{0,5}}?)才?(?P<what>睡觉|睡|起床|上班|下班)",
        "{who}{value}{what}。",
        refuse=f"{_OTHERS}|[昨前今明后][天晚]",
    ),
    _rule(
        rf"我{_VERY}的(?P<what>{_DATED})在(?P<value>.{{0,6}}(?:\d|[今明后]天|月).{{0,8}})",
        "{who}的{what}在{value}。",
        refuse=_OTHERS,
    ),
    _rule(
        rf"我{_VERY}(?P<value>.{{0,6}}(?:\d|[今明后]天|月).{{0,8}}?)有(?:一个|一场|个|场)?(?P<what>{_DATED})",
        "{who}{value}有{what}。",
        refuse=_OTHERS,
    ),
    _rule(
        rf"我{_VERY}每天(?P<value>(?:早上|晚上|睡前)?(?:都要?|要)?[吃喝用跑走游].{{1,10}})",
        "{who}每天{value}。",
        refuse=_OTHERS,
    ),
    _rule(
        rf"我{_VERY}(?P<when>出门|上班|上学|通勤)(?P<value>[用骑开坐].{{1,10}})",
        "{who}{when}{value}。",
        refuse=f"{_OTHERS}|会|了",
    ),
    _rule(
        rf"我{_VERY}(?:和|跟)(?P<value>.{{2,8}})在一起了?",
        "{who}和{value}在一起。",
        "partner",
        0.7,
        f"{_OTHERS}|朋友|同学|家|同事",
    ),
    _rule(rf"我{_VERY}(?:答应|保证)会?(?P<value>.{{2,12}})", "{who}答应{value}。", "", 0.5, f"{_OTHERS}|^了|不"),
    _rule(rf"我{_VERY}报了(?P<value>.{{1,10}})(?P<what>课|班)", "{who}报了{value}{what}。", "", 0.6, _OTHERS),
    _rule(rf"我{_VERY}(?P<value>结婚|离婚|退休|怀孕|毕业|失业|辞职|戒烟|戒酒)了?", "{who}{value}了。", importance=0.8),
    _rule(
        rf"我{_VERY}(?P<value>单身|吃素|是左撇子|是色盲|是素食主义者|是独生子女|是独生子|是独生女|是双胞胎)",
        "{who}{value}。",
        importance=0.7,
    ),
)

STATED_ON = re.compile(
    r"(?:住在?|来自|养了|喜欢|不喜欢|讨厌|在.{1,15}(?:上班|工作|上学|读书)|对.{1,15}过敏|有一?[只条个]|会[说弹])"
)
"""How a clause goes on whose "我" was in the clause before."""

OPENERS = re.compile(
    r"(?:嗯+|哦+|噢|啊+|哈+|嘿+|诶|欸|唉|嗨|你好呀?|大家好|您好|其实|对了|那个|话说|顺便|另外|还有|而且|因为|所以|但是|但|不过|"
    r"不对|不是|对|是的|(?:偷偷)?告诉你|我?跟你说|说起来|然后|现在|目前)[\s，,：:~～]*"
)
ENDING = re.compile(r"(?:[\s~～…!！。.）)啦哦呀啊哈嘛喔噢耶呢了]|\[[^\[\]]*\])$")
DOUBT = re.compile(
    "如果|要是|假如|假设|假装|万一|的话|可能|也许|或许|大概|好像|应该|希望|想要|梦到|梦见|梦里|前世|下辈子|游戏里|小说里|角色|"
    "扮演|台词|歌词|以前|曾经|差点|本来|要不是"
)
JOKE = re.compile(
    r"开(?:个)?玩笑|逗你|骗你|说笑|瞎说|瞎编|乱说|编的|狗头|\bdoge\b|手滑|才怪|才不是|不是真的", re.IGNORECASE
)
ASKING = re.compile("吗|么$|呢$|吧$|什么|谁|哪|几(?!乎)|多少|怎么|是不是|有没有|对不对")
REPORTED = re.compile("[说问唱讲]|告诉|写道")
OWN_REPORT = re.compile("(?:^|我)(?:跟|和|对|要跟)?(?:你|你们|大家)?说|(?:^|我)告诉(?:你|大家)")
REMEMBER = re.compile(
    r"(?:请|麻烦|拜托|帮我|你要?|您|一定要|要|@\S+|\s|，)*+(?:记住|记一下|记着|记下来?)[：:，,\s]*(?P<value>(?![了没吗不着的]).{2,80})",
    re.DOTALL,
)
REMEMBERED = "{who}要求记住：“{value}”。"
