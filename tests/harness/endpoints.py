"""endpoints - named endpoints that several tests call: what they send, what they make of an answer, and what they allow."""
import named

TOKEN = "sk-test-0123456789abcdef"


class Case(named.Case):
    """Endpoints of every kind, called `echo`, `plain`, `static` and so on."""

    @classmethod
    def class_config(cls):
        url = cls.fault.url
        return {"limits": {"max_concurrency": 40}, "endpoints": {
            "echo": {
                "url": url("/echo"),
                "headers": {"Authorization": "Bearer " + TOKEN, "X-Fixed": "yes"},
                "query": {"fixed": "1"},
                "params": {"tone": {"type": "string", "enum": ["calm", "loud"], "default": "calm"}},
                "request": '{body: {text: "<\\(.item)>", n: .index, tone: .params.tone}, query: {i: .index, l: ["a", 2]},'
                           ' headers: {"X-Item": "\\(.index)"}}',
                "response": "{target: .body.target, sent: (.body.body_base64 | @base64d | fromjson), status, n: .index, item}",
            },
            "plain": {"url": url("/told"), "request": "{body: .item}", "concurrency": 7, "max_items": 30},
            "static": {"url": url("/echo"), "method": "PUT", "query": {"a": ["1", "2"]}, "headers": {"X-Fixed": "yes"}},
            "judged": {
                "url": url("/told"), "request": "{body: .item}",
                "response": "{got: .body, kind: .headers[\"content-type\"], status}",
                "fallback": "{instead: .item.instead, code: .error.code, index: .index, who: .params.who}",
                "params": {"who": {"default": "nobody"}},
                "retry": {"max_attempts": 3, "backoff": "1ms"},
            },
            "quiet": {"url": url("/told"), "request": "{body: .item}", "expose_errors": False},
            "text": {"url": url("/echo"), "headers": {"Content-Type": "text/csv"}, "request": "{body: .item}",
                     "response": ".body.body_base64 | @base64d"},
            "slow": {"url": url("/gate", key="slow"), "timeout": "50s"},
            "moved": {"url": url("/redirok")},
        }}
