"""namespace - a network and mounts of a test's own, and the rules and addresses it makes there."""
import json
import os
import subprocess
import sys
import tempfile

from process import need


def enter_namespace(pid=False):
    """Starts this program again without any network but its own loopback, and with mounts of its own."""
    if os.environ.get("BATCHGATE_TEST_NAMESPACE") == "1":
        subprocess.run([need("ip"), "link", "set", "lo", "up"], check=True)
        return
    argv = [need("unshare"), "-n", "-m"] + (["-r"] if os.geteuid() else []) + (["-p", "-f"] if pid else [])
    os.environ["BATCHGATE_TEST_NAMESPACE"] = "1"
    os.execv(argv[0], argv + [sys.executable, *sys.argv])


def bind_over(path, text):
    """Replaces a system file, for this mount namespace alone."""
    handle, name = tempfile.mkstemp(prefix="batchgate-")
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(text)
    os.chmod(name, 0o644)
    subprocess.run([need("mount"), "--bind", name, path], check=True)


def add_address(address):
    length = 128 if ":" in address else 32
    subprocess.run([need("ip"), "addr", "add", "%s/%d" % (address, length), "dev", "lo"]
                   + (["nodad"] if ":" in address else []), check=True)


def nft(text):
    subprocess.run([need("nft"), "-f", "-"], input=text.encode(), check=True)


def nft_packets(name):
    """Packets seen by a named counter of table inet t."""
    done = subprocess.run([need("nft"), "-j", "list", "counter", "inet", "t", name], capture_output=True, check=True)
    return next(e["counter"]["packets"] for e in json.loads(done.stdout)["nftables"] if "counter" in e)
