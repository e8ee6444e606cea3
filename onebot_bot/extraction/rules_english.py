"""How people say something about themselves in English."""

import re

from onebot_bot.extraction.rules import Rule

_VERY = (
    r"(?:(?:really|absolutely|just|also|always|still|now|currently|actually|do|definitely|truly|totally|recently|"
    r"finally|especially|particularly|kind of|even|only|have|got|severely|very|quite|officially|already|happily)\s+)*"
)
_AM = r"(?:i['’]?m|i\s+am|i['’]?ve\s+been)\s+"
_NOT_A_THING = (
    r"^(?:you|it|this|that|these|those|him|her|them|us|how|when|what|where|why|your|if|being|everything)\b|\bI\b"
)
_JOB = (
    r"teacher|nurse|doctor|dentist|surgeon|engineer|developer|programmer|designer|architect|lawyer|accountant|chef|cook|"
    r"baker|barber|driver|pilot|sailor|soldier|farmer|fisherman|firefighter|police officer|detective|writer|author|"
    r"poet|journalist|reporter|editor|translator|painter|artist|musician|singer|actor|actress|dancer|photographer|"
    r"scientist|researcher|physicist|chemist|biologist|mathematician|professor|librarian|secretary|manager|salesman|"
    r"saleswoman|cashier|waiter|waitress|bartender|barista|mechanic|electrician|plumber|carpenter|gardener|florist|"
    r"tailor|butcher|vet|veterinarian|pharmacist|psychologist|therapist|consultant|analyst|economist|banker|judge|"
    r"tour guide|flight attendant|coach|trainer|student|freelancer|freelance \w+|receptionist|paramedic|beekeeper|"
    r"blacksmith|builder|welder|miner|monk|priest|nun|guard|potter|weaver|jeweller|watchmaker|postman|courier|tutor"
)
_KIN = (
    r"cat|dog|kitten|puppy|rabbit|bunny|hamster|parrot|bird|fish|turtle|tortoise|snake|horse|pony|ferret|pet|son|"
    r"daughter|child|kid|baby|wife|husband|partner|boyfriend|girlfriend|fianc[eé]e?|brother|sister|mother|mom|mum|"
    r"father|dad|grandmother|grandma|grandfather|grandpa|cousin|uncle|aunt|nephew|niece|roommate|flatmate|"
    r"best friend|boss|neighbou?r"
)
_ONE = (
    r"name|full name|first name|last name|surname|nickname|age|birthday|job|occupation|profession|major|hometown|"
    r"school|university|company|employer|blood type|zodiac sign|star sign|native language|mother tongue|height|weight|"
    r"shoe size|bedtime|phone number|email|email address|address|lucky number|dream job|"
    r"favou?rite(?:\s+\w+){1,3}|(?:" + _KIN + r")['’]s\s+(?:name|birthday)"
)
_DATED = r"exam|test|interview|appointment|flight|surgery|operation|wedding|concert|match|recital|thesis defen[cs]e"
_PASSING = (
    r"\b(?:questions?|ideas?|problems?|issues?|headache|cold|fever|feelings?|meetings?|calls?|doubts?|points?|"
    r"suggestions?|favou?rs?|dreams?|plans?|lot|bit|exams?|tests?|deadlines?|appointments?|class|clue|choice|moment|"
    r"minutes?|seconds?|while|hunch|confession|requests?|theory|things?|reasons?|chance|date|train|flight|bus|good|great|"
    r"nice|hard|times?|energy|words|ways?|few|couple|ton|sense|break|surprise|secret|message|to)\b|\bI\b"
)


def _rule(pattern: str, template: str, slot: str = "", importance: float = 0.6, refuse: str = "(?!)") -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), template, slot, importance, re.compile(refuse))


def _tastes() -> tuple[Rule, ...]:
    """Liking and disliking the same thing contradict each other: one slot."""
    liking = {"love": "loves", "like": "likes", "enjoy": "enjoys", "adore": "adores", "prefer": "prefers"}
    disliking = {
        r"(?:hate|can['’]?t stand|cannot stand|detest)": "hates",
        r"(?:don['’]?t|do not|no longer)\s+(?:really\s+)?(?:like|enjoy)": "does not like",
        "dislike": "dislikes",
    }
    return tuple(
        _rule(
            rf"i\s+{_VERY}{verb}\s+(?P<value>.+)",
            f"{{who}} {third} {{value}}.",
            "taste:{value}",
            0.6,
            rf"(?i:{_NOT_A_THING}|^(?:to (?:think|say|know|see|go|be|have)|the (?:way|idea|sound)))",
        )
        for verb, third in (liking | disliking).items()
    )


def _habits() -> tuple[Rule, ...]:
    """What people do again and again, or are about to."""
    verbs = {
        r"\s+collect": "collects",
        r"\s+teach": "teaches",
        r"\s+drive": "drives",
        r"\s+ride": "rides",
        r"\s+train\s+in": "trains in",
        r"\s+take\s+lessons\s+in": "takes lessons in",
        r"\s+volunteer\s+at": "volunteers at",
        r"(?:['’]m|\s+am)\s+(?:now\s+|currently\s+)?learning": "is learning",
        r"(?:['’]m|\s+am)\s+(?:now\s+|currently\s+)?reading": "is reading",
        r"(?:['’]m|\s+am)\s+an?\s+(?:big\s+|huge\s+)?fan\s+of": "is a fan of",
    }
    refuse = rf"(?i:{_NOT_A_THING}|^(?:home|away|past|along|off|on|yours|to|people|myself)\b)"
    return tuple(
        _rule(rf"i{verb}\s+(?P<value>.+)", f"{{who}} {third} {{value}}.", importance=0.5, refuse=refuse)
        for verb, third in verbs.items()
    )


RULES_EN: tuple[Rule, ...] = (
    _rule(
        r"(?:(?P<when>next\s+(?:week|month|year|summer|winter|spring)|tomorrow|this\s+(?:summer|winter|weekend))\s*,?\s+)?"
        r"i(?:\s+plan|['’]m\s+planning|\s+am\s+planning|\s+intend)\s+to\s+(?P<value>.+)",
        "{who} plans to {value} {when}.",
        "",
        0.5,
        rf"(?i:{_NOT_A_THING})",
    ),
    _rule(
        rf"(?:i\s+have|i['’]ve\s+got|my)\s+(?:an?\s+)?(?P<what>{_DATED})\s+(?:is\s+|takes\s+place\s+)?(?:on\s+|in\s+)?"
        r"(?P<value>.*(?:\d|tomorrow|next\s+\w+|(?:mon|tues|wednes|thurs|fri|satur|sun)day).*)",
        "{who}'s {what}: {value}.",
        importance=0.7,
        refuse=r"\bI\b",
    ),
    _rule(
        rf"i\s+{_VERY}(?P<what>go\s+to\s+bed|get\s+up|wake\s+up)\s+at\s+(?P<value>\S*\d.*|noon|midnight)",
        "As a rule {who} will {what} at {value}.",
        "{what}",
    ),
    _rule(
        rf"i\s+{_VERY}wear\s+(?:shoes\s+in\s+)?size\s+(?P<value>\S+)(?:\s+shoes)?", "{who} wears size {value}.", "size"
    ),
    _rule(
        rf"{_AM}{_VERY}(?:together\s+with|dating|engaged\s+to)\s+(?P<value>(?-i:[A-Z]).*)",
        "{who} is together with {value}.",
        "partner",
        0.8,
        r"\bI\b",
    ),
    _rule(
        rf"i\s+{_VERY}take\s+(?P<value>.+?)\s+(?P<when>every\s+\w+|daily)",
        "{who} takes {value} {when}.",
        refuse=rf"(?i:{_NOT_A_THING})",
    ),
    _rule(r"i\s+promised?\s+to\s+(?P<value>.+)", "{who} promised to {value}.", "", 0.5, rf"(?i:{_NOT_A_THING})"),
    _rule(r"my\s+biggest\s+fear\s+is\s+(?P<value>.+)", "{who}'s biggest fear is {value}.", "fear", 0.6, _NOT_A_THING),
    _rule(
        r"my\s+(?P<what>car|vehicle|bike|sibling|phone)\s+is\s+(?P<value>(?:an?\s.+|(?-i:[A-Z]).*))",
        "{who}'s {what} is {value}.",
        "my:{what}",
        0.6,
        r"(?i:\b(?:mess|wreck|bit|little|piece)\b|\bI\b)",
    ),
    _rule(
        r"my\s+birthday\s+is\s+(?:on\s+)?(?P<value>.*(?:\d|today|tomorrow|yesterday).*)",
        "{who}'s birthday is {value}.",
        "my:birthday",
        0.9,
    ),
    _rule(
        rf"my\s+(?P<what>{_ONE})\s+(?:is|are)\s+(?:now\s+)?(?P<value>.+)",
        "{who}'s {what} is {value}.",
        "my:{what}",
        0.8,
        rf"(?i:{_NOT_A_THING}|^(?:not|so|too|very|soon|coming|hard|hidden|none|a secret|important|on)\b)",
    ),
    _rule(
        rf"my\s+(?P<what>{_KIN})\s+is\s+(?:called|named)\s+(?P<value>\S+(?:\s+\S+)?)",
        "{who}'s {what} is called {value}.",
        "called:{what}",
        0.8,
    ),
    _rule(
        rf"my\s+(?P<what>{_KIN})\s+(?P<verb>is|works|lives|has)\s+(?P<value>(?:an?|\d+|allergic to|from|in|as|at)\s.+)",
        "{who}'s {what} {verb} {value}.",
        importance=0.7,
        refuse=r"(?i:\b(?:mess|bit|little|idiot|joke|pain|nightmare|trouble|hurry|mood|way)\b|\bI\b)",
    ),
    _rule(
        rf"i\s+(?:named|call)\s+my\s+(?P<what>{_KIN})\s+(?P<value>\S+)",
        "{who}'s {what} is called {value}.",
        "called:{what}",
        0.8,
    ),
    _rule(
        r"my\s+(?P<what>hobby|sport|instrument|pet|idol|role model)\s+is\s+(?P<value>.+)",
        "{who}'s {what} is {value}.",
        refuse=rf"(?i:{_NOT_A_THING}|^(?:not|so|too|very|here|sick|fine)\b)",
    ),
    _rule(
        r"call\s+me\s+(?P<value>[A-Z]\w{1,15})",
        "{who}'s nickname is {value}.",
        "my:nickname",
        0.8,
        r"(?i:^(?:back|when|if|a|at|later|crazy|maybe|tomorrow)$)",
    ),
    _rule(
        rf"{_AM}{_VERY}(?P<value>\d{{1,3}})(?:\s+years?\s+old)?",
        "{who} is {value} years old.",
        "age",
        0.7,
    ),
    _rule(
        rf"i(?:['’]?m|\s+am|['’]ve)?\s+{_VERY}"
        r"(?:live|living|moved|relocated|settled)\s+(?:in|to|at|near)\s+(?P<value>.+)",
        "{who} lives in {value}.",
        "city",
        0.8,
        r"(?i:^(?:a (?:simulation|bubble|dream)|fear|peace|the (?:moment|past|future)|this|that|here|"
        r"there|next|your?|it)\b|\bI\b)",
    ),
    _rule(
        r"my\s+home\s+is\s+in\s+(?P<value>.+)",
        "{who} lives in {value}.",
        "city",
        0.8,
        r"(?i:\b(?:ruins|danger)\b|\bI\b)",
    ),
    _rule(r"i\s+grew\s+up\s+in\s+(?P<value>.+)", "{who} grew up in {value}.", "grew up", 0.7, r"\bI\b"),
    _rule(
        rf"(?:{_AM}|i\s+){_VERY}(?:originally\s+)?(?:come\s+)?from\s+(?P<value>.+)",
        "{who} is from {value}.",
        "hometown",
        0.7,
        r"(?i:^(?:here|there|the future|now|work|home|you|work)\b|\bI\b)",
    ),
    _rule(r"i\s+was\s+born\s+(?P<value>(?:in|on)\s+.+)", "{who} was born {value}.", "born", 0.8, r"\bI\b|(?i:wrong)"),
    _rule(
        rf"(?:i|{_AM})\s*{_VERY}(?:work|working)\s+as\s+(?P<value>(?:an?|the)\s.+)",
        "{who} works as {value}.",
        "my:job",
        0.8,
        r"\bI\b",
    ),
    _rule(
        rf"{_AM}{_VERY}(?P<value>an?\s+.+)\s+by\s+(?:profession|trade|training)",
        "{who} works as {value}.",
        "my:job",
        0.8,
        r"\bI\b",
    ),
    _rule(
        rf"{_AM}{_VERY}(?P<value>(?:an?|the)\s+(?:[\w-]+\s+){{0,3}}?(?:{_JOB}))(?P<where>(?:\s+(?:in|at|from|for)\s.+)?)",
        "{who} works as {value}{where}.",
        "my:job",
        0.8,
        r"(?i:\b(?:bad|terrible|lousy|awful|good|great|not)\b)",
    ),
    _rule(
        rf"(?:i|{_AM})\s*{_VERY}(?:work|working)\s+(?P<how>at|for|in)\s+(?P<value>.+)",
        "{who} works {how} {value}.",
        "work",
        0.8,
        r"\bI\b|(?i:^(?:night|nights|home|the (?:morning|evening|afternoon)|now|it|this|that|free)\b)",
    ),
    _rule(
        rf"(?:i|{_AM})\s*{_VERY}(?:study|studying|major in|majoring in)\s+(?P<value>.+)",
        "{who} studies {value}.",
        "study",
        0.7,
        r"\bI\b|(?i:^(?:hard|for|all|every|at night|tonight|now|a lot|until|with)\b)",
    ),
    _rule(
        rf"i\s+{_VERY}(?:own|adopted|keep|have|['’]ve got)\s+(?P<value>(?:an?|one|two|three|four|five|six|\d+)\s.+)",
        "{who} has {value}.",
        "",
        0.7,
        f"(?i:{_PASSING})",
    ),
    _rule(
        r"i['’]ve\s+got\s+(?P<value>(?:an?|one|two|three|four|five|six|\d+)\s.+)",
        "{who} has {value}.",
        "",
        0.7,
        f"(?i:{_PASSING})",
    ),
    _rule(
        rf"{_AM}(?:not|no longer)\s+allergic\s+to\s+(?P<value>.+?)(?:\s+any\s?more)?",
        "{who} is not allergic to {value}.",
        "allergy:{value}",
        0.9,
        f"(?i:{_NOT_A_THING})",
    ),
    _rule(
        rf"(?:{_AM}{_VERY}allergic|i\s+have\s+an\s+allergy)\s+to\s+(?P<value>.+)",
        "{who} is allergic to {value}.",
        "allergy:{value}",
        0.9,
        f"(?i:{_NOT_A_THING}|work|mondays)",
    ),
    *_tastes(),
    *_habits(),
    _rule(
        rf"{_AM}{_VERY}(?:afraid|scared|terrified)\s+of\s+(?P<value>.+)",
        "{who} is afraid of {value}.",
        refuse=f"(?i:{_NOT_A_THING})",
    ),
    _rule(
        rf"i\s+(?:can\s+)?{_VERY}speak\s+(?P<value>[A-Z].*)",
        "{who} speaks {value}.",
        refuse=f"(?i:{_NOT_A_THING}|^(?:to|for|with|up|out)\\b)",
    ),
    _rule(
        rf"i\s+(?:can\s+)?{_VERY}play\s+(?P<value>.+)",
        "{who} plays {value}.",
        refuse=f"(?i:{_NOT_A_THING}|^(?:along|dead|with|around|dumb|a (?:joke|trick))\\b)",
    ),
    _rule(
        r"i\s+(?:don['’]?t|do not|never)\s+(?P<verb>eat|drink)\s+(?P<value>.+)",
        "{who} does not {verb} {value}.",
        importance=0.8,
        refuse=f"(?i:{_NOT_A_THING}|^(?:much|a lot|enough|well|at)\\b)",
    ),
    _rule(
        rf"{_AM}{_VERY}(?P<value>(?:a\s+)?(?:vegetarian|vegan)|married(?:\s+to\s+.+)?|engaged|divorced|single|widowed|"
        r"pregnant|retired|left-handed|colou?r-?blind|diabetic|an only child|a twin|deaf|blind)",
        "{who} is {value}.",
        importance=0.8,
        refuse=r"(?i:\b(?:by|with joy)\b)",
    ),
    _rule(
        rf"i\s+{_VERY}(?:got\s+)?(?P<value>married|engaged|divorced|retired|graduated)",
        "{who} got {value}.",
        importance=0.8,
    ),
)

OPENERS = re.compile(
    r"(?:(?:hi|hello|hey|well|oh|ah|yeah|yes|yep|no|nope|so|and|but|btw|by the way|also|fyi|ok|okay|um+|hmm+|honestly|"
    r"anyway|because|plus|you know|as i said|sorry|haha+|lol|actually|personally|in my (?:free|spare) time|"
    r"fun fact|since you ask)"
    r"(?:\s+(?:there|all|everyone|guys|everybody))?[,!.:]*\s+)+",
    re.IGNORECASE,
)
ENDING = re.compile(
    r"(?:[\s,!.~…]|\b(?:too|now|lol|haha+|btw|by the way|you know|though|tho|actually|already|these days|as well|"
    r"at the moment|right now|very much|so much|a lot)|[:;]-?[)D(P]|\[[^\[\]]*\])$",
    re.IGNORECASE,
)
DOUBT = re.compile(
    r"\b(?:if|unless|would|wish|might|maybe|perhaps|probably|suppose|imagine|pretend(?:ing)?|as though|"
    r"dreamt|dreamed|in (?:the|this|my) (?:game|dream|story|novel|book)|my character|lyrics?|used to|almost|"
    r"as a joke|hypothetically|(?:i|you) think|i guess|someday|one day|could have|should have)\b",
    re.IGNORECASE,
)
JOKE = re.compile(
    r"\b(?:jk|j/k|kidding|joking|just a joke|not really|/s|made that up|lied|fooled you)\b|(?<!\S)/s(?!\S)",
    re.IGNORECASE,
)
ASKING = re.compile(r"^(?:do|does|did|am|is|are|who|what|where|when|why|how|can|could|will|should)\b", re.IGNORECASE)
REPORTED = re.compile(
    r"\b(?:said|says|say|told|tells|asked|asks|wrote|writes|sang|sings|"
    r"goes|went like|was like|quote|claims?|claimed)\b",
    re.IGNORECASE,
)
SPLIT = re.compile(r",?\s+(?:and|but|so|because|since)\s+(?=(?:I|i|my|My)\b)|[,:]\s*(?=(?:I|my)\b)")
CUT = re.compile(
    r",\s+(?=(?-i:[a-z]))|\s+(?:and|but|so|because|since|though|although|which|where|when|while|if|who)\s+"
    r"(?=(?:i|it|he|she|they|we|you|that|the|this|my|is|are|was|can|has)\b)|\s+-+\s+|\s*[(（]",
    re.IGNORECASE,
)
REMEMBER = re.compile(
    r"(?:(?P<asked>please|pls|plz|can you|could you|will you|would you|kindly)\s+|(?:hey|ok|okay|and|also),?\s+)*"
    r"(?:remember|note|keep in mind|don['’]?t forget|make a note)(?:\s+this)?"
    r"(?:\s*[:,]\s*|\s+that\s+(?!(?:time|day|night|one|guy|girl|song|movie|film|when|thing|was|is)\b))(?P<value>.{3,160})",
    re.IGNORECASE | re.DOTALL,
)
REMEMBERED = 'What {who} asked to remember: "{value}".'
