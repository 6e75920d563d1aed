"""replies.py - what the stand-in says: search queries rewritten, and texts for three channels, by simple rules.

The same prompt gets the same answer. The prompt's words choose: a strategy (conciseness, specificity, stepback) rewrites what the
user says, a channel (linkedin, newsletter, blog) writes about it."""
import re
import zlib

STRATEGIES = ("conciseness", "specificity", "stepback")
CHANNELS = ("linkedin", "newsletter", "blog")

FILLER = re.compile(r"""\b(?:can|could|would)\s+(?:you|someone|anyone)\b|\bplease\b|\btell\s+me\b|\bexplain\s+to\s+me\b|\bhelp\s+me\b
    |\bi\s+(?:was\s+wondering|want(?:ed)?\s+to|would\s+like\s+to|need\s+to|am\s+trying\s+to|am\s+looking\s+for)\b|\bis\s+there\s+a\s+way\s+to\b
    |\bwhat\s+(?:is|are|was|were)\b|\bhow\s+(?:do|does|can|should|would)\s+(?:i|you|we|it|they|one)\b|\bhow\s+to\b|\bdo\s+i\s+need\b
    |\bi'm\b|\bi've\b|\bit's\b|\bwhat's\b|\bkind\s+of\b|\bsort\s+of\b""", re.I | re.X)
SMALL = set("""a an the of to in on at for from with by about into over and or but so if then than that this these those it its is are was
    were be been being do does did done can could should would will may might have has had i me my we our you your he she they them their
    there here just really very actually basically some any when which who whom what how as also too know get getting""".split())


def bare(query):
    return re.sub(r"\s+", " ", query).strip().rstrip("?!. ")


def keywords(query):
    """The words that a search engine would look at."""
    words = re.findall(r"[\w'+#./-]+", FILLER.sub(" ", bare(query)))
    kept = [word.strip("'.") for word in words if word.lower().strip("'.") not in SMALL]
    return " ".join(word for word in kept if word) or bare(query)


def conciseness(query):
    return keywords(query)


SPECIFIC = (
    (r"\b(error|fail\w*|broken|crash\w*|not working|won't|can't)\b", "with the exact message, the version, and the log lines that matter"),
    (r"\b(best|better|top|cheap\w*|which|vs|versus|difference)\b", "compared by price, reliability and upkeep, as of this year"),
    (r"\bwhy\b", "the usual causes, how to tell them apart, and what to check first"),
    (r"\bhow\b", "step by step, with what each step should show"),
    (r"\b(when|where|who)\b", "with the date or place, and the source it is known from"),
)


def specificity(query):
    for pattern, detail in SPECIFIC:
        if re.search(pattern, query, re.I):
            return "%s: %s" % (bare(query), detail)
    return "%s: a definition, one worked example, and the limits" % bare(query)


GENERAL = (
    (r"\b(error|fail\w*|broken|crash\w*|not working|won't|can't)\b", "what usually goes wrong there, and how is it found?"),
    (r"\bwhy\b", "what are the general causes?"),
    (r"\b(best|better|top|cheap\w*|which|vs|versus|difference)\b", "what decides such a choice?"),
    (r"\bhow\b", "which principles are at work?"),
)


def stepback(query):
    subject = re.sub(r"\b(why|best|better|top|difference)\b\s*", "", keywords(query), flags=re.I) or keywords(query)
    for pattern, question in GENERAL:
        if re.search(pattern, query, re.I):
            return "%s: %s" % (subject, question)
    return "%s: what background does one need to understand it?" % subject


def rewrite(strategy, query):
    return {"conciseness": conciseness, "specificity": specificity, "stepback": stepback}[strategy](query)


TEXTS = {
    "linkedin": """Everyone has an opinion about {topic}. Few have numbers.

We measured for three months. What surprised us:
1. The first week decides more than the next ten.
2. The slowest step was never the one we had guessed.
3. Writing it down once saved every later argument.

What did {topic} teach you?

#{tag} #lessonslearned""",
    "newsletter": """Subject: {title}, without the noise

Hello,

this month we looked at one thing only: {topic}. We asked twelve teams what they had changed in the last half year, and what they
would not do again.

The short answer: those who began small and measured are still at it. Those who began with a plan for everything are at plan three.

Three things to try before our next letter:
 - Pick the one case that hurts most, and do only that one.
 - Put a number on it before you change anything.
 - Tell somebody outside the team what you found.

Reply to this letter with your own number. The best ones come next month.

Until then""",
    "blog": """# {title}: what holds up in practice

There is no shortage of advice on {topic}. Most of it was written before the second month. This is about what is left after the sixth.

## Where it starts
Not with a tool. With one question that somebody has to answer every week, and does not like to.

## What changes
The work does not get less; it moves to where it can be seen. That is why the first figures look worse than the ones before them.

## What stays hard
Agreement on what counts as done. Write that sentence first. Everything about {topic} is easier once it exists.""",
}


def write(channel, topic):
    topic = bare(topic)
    quality = 6 + zlib.crc32((channel + topic).encode("utf-8", "replace")) % 4
    tag = re.sub(r"\W", "", topic.title()) or "Topic"
    text = TEXTS[channel].format(topic=topic, title=topic[:1].upper() + topic[1:], tag=tag)
    return "%s\n\nQuality: %d/10" % (text, quality)


def chosen(names, text):
    return next((name for name in names if re.search(r"\b%s\b" % name, text, re.I)), None)


def reply(system, user):
    asked = re.fullmatch(r"\s*Rewrite for (\w+): (.*)", user, re.S)
    if asked and not system and asked[1] in STRATEGIES:
        return rewrite(asked[1], asked[2])
    strategy, channel = chosen(STRATEGIES, system), chosen(CHANNELS, system)
    if strategy:
        return rewrite(strategy, user)
    if channel:
        return write(channel, user)
    return "You said: " + user[:1000]
