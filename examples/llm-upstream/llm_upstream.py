#!/usr/bin/python3
"""llm_upstream.py - a stand-in for a provider of language models: an OpenAI-compatible chat API, and Gemini's generateContent.

It answers as they do as far as a client can tell: the key is checked, the model echoed, tokens counted, errors have the
provider's shape. How long it takes, what rate it allows and what fails are set from outside; what it says is made by the simple
rules of replies.py. README.md beside this file has the routes and the options. Standard library only."""
import argparse
import hmac
import itertools
import json
import math
import os
import re
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import replies

BODY_MAX = 4 << 20
CHAT = "/v1/chat/completions"
GEMINI = re.compile(r"/v1(?:beta)?/models/([^/:?]+):generateContent")
OPENAI_ERRORS = {  # status: (type, code, message)
    400: ("invalid_request_error", "content_policy_violation", "Your request was rejected by our safety system."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
GEMINI_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
                 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


class Refused(Exception):
    """The request ends with an error of the API."""

    def __init__(self, status, message=None, code=None, param=None):
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param


# --- what is set from outside ----------------------------------------------------------------------------------------

def parse_latency(text):
    """`0.3`, or `linkedin=2.6,blog=1.5,0.3`: seconds by a word of the prompt; one without a word is for all others."""
    table, rest = [], 0.0
    for part in filter(None, str(text).split(",")):
        word, _, seconds = part.rpartition("=")
        if word:
            table.append((word.strip().lower(), float(seconds)))
        else:
            rest = float(seconds)
    if any(seconds < 0 for _, seconds in table) or rest < 0:
        raise ValueError("a latency below 0")
    return table, rest


def parse_rate(text):
    """`40/s`, `2400/min`, `off` -> requests a second, or None."""
    if text == "off":
        return None
    number, _, unit = str(text).partition("/")
    rate = float(number) / {"s": 1, "min": 60, "h": 3600}[unit]
    if not rate > 0:
        raise ValueError("a rate must be above 0")
    return rate


class Failure:
    """`WORD=WHAT`, `WORD+WORD=WHAT`, `#7=WHAT`; WHAT is a status, or hang, drop, garbage, empty; `x2`: only the first two."""
    KINDS = ("hang", "drop", "garbage", "empty")

    def __init__(self, text):
        match = re.fullmatch(r"(.+)=(\d{3}|%s)(?:x(\d+))?" % "|".join(self.KINDS), text)
        if not match or (match[2].isdigit() and not 400 <= int(match[2]) <= 599):
            raise ValueError("%r: WORD=WHAT or #N=WHAT, WHAT a status of 400 to 599 or one of %s" % (text, ", ".join(self.KINDS)))
        self.when, self.what, self.left = match[1].lower(), match[2], int(match[3]) if match[3] else math.inf

    def meets(self, number, prompt):
        if self.when.startswith("#"):
            met = self.when == "#%d" % number
        else:
            met = all(word in prompt for word in self.when.split("+"))
        if not met or not self.left:
            return False
        self.left -= 1
        return True


class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst` kept."""

    def __init__(self, rate, burst):
        self.rate, self.burst = rate, max(1.0, rate if burst is None else burst)
        self.tokens, self.at = self.burst, time.monotonic()

    def take(self):
        """0 where a token was there, else the seconds until there is one."""
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0
        return (1 - self.tokens) / self.rate


class Script:
    """Latency, rate and failures, and what has been asked so far; shared by all connections."""

    def __init__(self, **settings):
        self.lock = threading.Lock()
        self.settings = {"latency": "0", "rate": "off", "burst": None, "fail": []}
        self.change(settings)

    def change(self, settings):
        """Takes over what is named, and starts anew: counts from 0, a full bucket, each failure from its first time."""
        unknown = set(settings) - set(self.settings)
        if unknown:
            raise ValueError("unknown: " + ", ".join(sorted(unknown)))
        wanted = {**self.settings, **settings}
        latency, rate = parse_latency(wanted["latency"]), parse_rate(wanted["rate"])
        failures = [Failure(text) for text in wanted["fail"]]
        burst = None if wanted["burst"] is None else float(wanted["burst"])
        bucket = Bucket(rate, burst) if rate else None
        with self.lock:
            self.settings, self.latency, self.bucket, self.failures = wanted, latency, bucket, failures
            self.numbers = itertools.count(1)
            self.requests = self.in_flight = self.most_at_once = 0
            self.status, self.broken = {}, 0

    def enter(self):
        with self.lock:
            self.requests += 1
            self.in_flight += 1
            self.most_at_once = max(self.most_at_once, self.in_flight)

    def leave(self, status):
        """Counted before the answer's last byte is out; 0: none was given."""
        with self.lock:
            # Whoever entered before a change leaves after it.
            self.in_flight = max(0, self.in_flight - 1)
            if status:
                self.status[str(status)] = self.status.get(str(status), 0) + 1
            else:
                self.broken += 1

    def wait_for_token(self):
        with self.lock:
            return self.bucket.take() if self.bucket else 0

    def failure(self, prompt):
        with self.lock:
            number = next(self.numbers)
            return next((f.what for f in self.failures if f.meets(number, prompt)), None)

    def seconds(self, prompt):
        table, rest = self.latency
        return next((seconds for word, seconds in table if word in prompt), rest)

    def stats(self):
        with self.lock:
            return {"requests": self.requests, "in_flight": self.in_flight, "most_at_once": self.most_at_once,
                    "rate_limited": self.status.get("429", 0), "by_status": dict(sorted(self.status.items())),
                    "unanswered": self.broken, "script": self.settings}


# --- the two APIs ----------------------------------------------------------------------------------------------------

def tokens(text):
    return len(re.findall(r"\w+|[^\w\s]", text))


def text_of(content):
    """A message's text: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    raise Refused(400, "Invalid type for a message's content: expected a string or a list of parts.", "invalid_type")


class OpenAI:
    """POST /v1/chat/completions"""

    def check_key(self, key, headers):
        given = headers.get("Authorization") or ""
        if not given:
            raise Refused(401, "You didn't provide an API key. You need to provide your API key in an Authorization header "
                               "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).")
        if not hmac.compare_digest(given.encode(), b"Bearer " + key.encode()):
            raise Refused(401)

    def read(self, document):
        """(what the system says, what the user says, the model)"""
        if not isinstance(document.get("model"), str):
            raise Refused(400, "you must provide a model parameter", "missing_required_parameter", "model")
        messages = document.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refused(400, "Missing required parameter: 'messages'.", "missing_required_parameter", "messages")
        if document.get("stream"):
            raise Refused(400, "This stand-in does not stream.", "unsupported_value", "stream")
        said = {"system": [], "user": []}
        for message in messages:
            if not isinstance(message, dict) or message.get("role") not in ("system", "developer", "user", "assistant"):
                raise Refused(400, "Invalid value for a message's role.", "invalid_value", "messages")
            role = {"developer": "system", "assistant": None}.get(message["role"], message["role"])
            if role:
                said[role].append(text_of(message.get("content")))
        return "\n".join(said["system"]), "\n".join(said["user"]), document["model"]

    def answer(self, number, model, prompt, text):
        used = {"prompt_tokens": tokens(prompt), "completion_tokens": tokens(text or "")}
        return {"id": "chatcmpl-%06d" % number, "object": "chat.completion", "created": int(time.time()), "model": model,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": None},
                             "logprobs": None, "finish_reason": "stop"}],
                "usage": {**used, "total_tokens": sum(used.values())}}

    def error(self, refused, wait):
        kind, code, message = OPENAI_ERRORS.get(refused.status, ("invalid_request_error", None, "The request failed."))
        return {"error": {"message": refused.message or message, "type": kind, "param": refused.param,
                          "code": refused.code or code}}


class Gemini:
    """POST /v1beta/models/MODEL:generateContent"""

    def __init__(self, model):
        self.model = model

    def check_key(self, key, headers):
        given = headers.get("x-goog-api-key") or ""
        if not given:
            raise Refused(403, "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer "
                               "identity to call this API.")
        if not hmac.compare_digest(given.encode(), key.encode()):
            raise Refused(400, "API key not valid. Please pass a valid API key.")

    def read(self, document):
        contents = document.get("contents")
        if not isinstance(contents, list) or not contents:
            raise Refused(400, "* GenerateContentRequest.contents: contents is not specified")
        turns = [turn for turn in contents if isinstance(turn, dict) and turn.get("role", "user") == "user"]
        system = document.get("systemInstruction") or document.get("system_instruction") or {"parts": []}
        if not isinstance(system, dict):
            raise Refused(400, "Invalid value at 'system_instruction'")
        return text_of(system.get("parts")), "\n".join(text_of(turn.get("parts")) for turn in turns), self.model

    def answer(self, number, model, prompt, text):
        used = {"promptTokenCount": tokens(prompt), "candidatesTokenCount": tokens(text or "")}
        candidate = {"finishReason": "STOP" if text else "SAFETY", "index": 0}
        if text:
            candidate["content"] = {"role": "model", "parts": [{"text": text}]}
        return {"candidates": [candidate], "usageMetadata": {**used, "totalTokenCount": sum(used.values())},
                "modelVersion": model, "responseId": "r%06d" % number}

    def error(self, refused, wait):
        message = refused.message or OPENAI_ERRORS.get(refused.status, (0, 0, "The request failed."))[2]
        error = {"code": refused.status, "message": message, "status": GEMINI_STATUS.get(refused.status, "UNKNOWN")}
        if wait:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "%ds" % wait}]
        return {"error": error}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self):
        if self.path.split("?")[0] == "/stats":
            return self.say(200, self.server.script.stats())
        return self.say(404, self.lost())

    def do_PUT(self):
        document = self.body()
        if self.path != "/script":
            return self.say(404, self.lost())
        try:
            if not isinstance(document, dict):
                raise ValueError("an object is wanted")
            self.server.script.change(document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self.say(400, {"error": {"message": "script: %s" % error}})
        return self.say(200, self.server.script.stats())

    def do_POST(self):
        script, body = self.server.script, self.body()
        model = GEMINI.fullmatch(self.path.split("?")[0])
        if not model and self.path != CHAT:
            return self.say(404, self.lost())
        script.enter()
        api, wait = Gemini(model[1]) if model else OpenAI(), 0
        try:
            api.check_key(self.server.key, self.headers)
            wait = script.wait_for_token()
            if wait:
                raise Refused(429, "Rate limit reached: %s. Please try again in %d s." % (script.settings["rate"], math.ceil(wait)))
            status, value = 200, self.converse(script, api, body)
        except Refused as refused:
            wait = math.ceil(wait)
            status, value = refused.status, api.error(refused, wait)
        except Dropped:
            script.leave(0)
            self.close_connection = True
            return None
        script.leave(status)
        return self.say(status, value, [("Retry-After", str(wait))] if wait else [])

    def converse(self, script, api, document):
        """The answer to one conversation, after the time it takes; or what the script says becomes of it."""
        began = time.monotonic()
        if not isinstance(document, dict):
            raise Refused(400, "We could not parse the JSON body of your request.", "invalid_json")
        system, user, model = api.read(document)
        prompt = (system + "\n" + user).lower()
        what = script.failure(prompt)
        if what == "hang":
            self.wait_until_gone()
        if what in ("hang", "drop"):
            raise Dropped
        if what and what.isdigit():
            raise Refused(int(what))
        time.sleep(max(0.0, script.seconds(prompt) - (time.monotonic() - began)))
        if what == "garbage":
            return b"<html><body>Bad gateway, and not even its status said so.</body></html>"
        text = None if what == "empty" else replies.reply(system, user)
        return api.answer(self.server.next_number(), model, prompt, text)

    def wait_until_gone(self):
        self.connection.settimeout(600)
        try:
            while self.connection.recv(4096):
                pass
        except OSError:
            pass

    def body(self):
        """The request's JSON, or None where it is none."""
        try:
            size = int(self.headers.get("Content-Length") or "0")
        except ValueError:
            size = -1
        if not 0 <= size <= BODY_MAX or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            return None
        try:
            return json.loads(self.rfile.read(size))
        except (ValueError, RecursionError):
            return None

    def lost(self):
        return {"error": {"message": "Invalid URL (%s %s)" % (self.command, self.path), "type": "invalid_request_error",
                          "param": None, "code": "unknown_url"}}

    def say(self, status, value, headers=()):
        data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(value, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Dropped(Exception):
    """The connection ends without an answer."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, key, script):
        super().__init__(address, Handler)
        self.key, self.script = key, script
        self.answers, self.answers_lock = itertools.count(1), threading.Lock()

    def next_number(self):
        with self.answers_lock:
            return next(self.answers)

    def handle_error(self, request, client_address):
        """A client that leaves is no error of ours."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free one; its address is the first line of output")
    parser.add_argument("--key", default=os.environ.get("LLM_API_KEY") or "test-key", help="default: LLM_API_KEY, or test-key")
    parser.add_argument("--latency", default="0.3", help="seconds: 0.3, or by a word of the prompt: linkedin=2.6,blog=1.5,0.3")
    parser.add_argument("--rate", default="off", help="requests allowed: 40/s, 2400/min; past it 429 with Retry-After")
    parser.add_argument("--burst", type=float, help="how many may come at once (default: a second's worth)")
    parser.add_argument("--fail", action="append", default=[], metavar="WORD=WHAT",
                        help="what becomes of requests with that word, or #N of the Nth: a status, hang, drop, garbage, empty; "
                             "x2 behind it: only the first two times")
    args = parser.parse_args()
    try:
        script = Script(latency=args.latency, rate=args.rate, burst=args.burst, fail=args.fail)
    except (ValueError, KeyError) as error:
        parser.error(str(error))
    threading.stack_size(4 * 1024 * 1024)  # of address space; JSON that is nested deeply needs it
    server = Server((args.host, args.port), args.key, script)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    host = "[%s]" % args.host if server.address_family == socket.AF_INET6 else args.host
    print("http://%s:%d" % (host, server.server_address[1]), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
