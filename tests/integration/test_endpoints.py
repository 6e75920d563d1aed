#!/usr/bin/python3
"""Named endpoints: the operator's call, the callers' data, results made by templates."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import world  # noqa: E402

TOKEN = "sk-test-0123456789abcdef"


class Endpoints(world.Case):
    @classmethod
    def class_config(cls):
        return {"endpoints": {
            "echo": {
                "url": cls.fault.url("/echo"),
                "headers": {"Authorization": "Bearer " + TOKEN, "X-Fixed": "yes"},
                "query": {"fixed": "1"},
                "request": '{body: {text: "<\\(.item)>", n: .index}, query: {i: .index}, headers: {"X-Item": "\\(.index)"}}',
                "response": "{sent: .body.body, status, n: .index, item}",
            },
        }}

    def post(self, name, items, params=None, options=None, server=None):
        document = {"items": items}
        if params is not None:
            document["params"] = params
        if options is not None:
            document["options"] = options
        return (server or self.server).post(document, "/v1/batch/" + name)

    def test_data_goes_in_and_results_come_out(self):
        answer = self.post("echo", ["a", {"id": "x"}, 3])
        self.assertEqual(answer.status, 200, answer.body)
        print(json.dumps(answer.json(), indent=1))


if __name__ == "__main__":
    world.main()
