#!/bin/sh
# Names below localhost: libcurl and the C library disagree about whose they are.
#
# Guess: RFC 6761, 6.3 says that `web.localhost` is the loopback and is never asked of a name server, and curl opens it
#   without any set-up; so every program on the host reaches the same server under that name.
# Behaviour: libcurl answers names below localhost itself, with 127.0.0.1 and ::1. glibc knows `localhost` from /etc/hosts
#   and no name below it, unless nss-myhostname is configured: it asks the name server, and takes whatever it answers. On one
#   host, with one resolv.conf, curl talks to one address and everything that calls getaddrinfo to another.
# Seen with: pycurl 7.45.6 (PyPI; libcurl 8.12.1), dnslib 0.9.26 (PyPI), glibc 2.36 (Debian 12).
#
# Needs root (a network and a mount namespace of its own), python3 with pip, and iproute2. Changes nothing outside.
set -eu
[ "$(id -u)" = 0 ] || { echo 'localhost-subdomains: expected root' >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/packages" \
  pycurl==7.45.6 dnslib==0.9.26

echo 'nameserver 127.0.0.1' >"$work/resolv.conf"
echo 'hosts: files dns' >"$work/nsswitch.conf"
echo '127.0.0.1 localhost' >"$work/hosts"

# A name server that answers every question about an address with 127.0.0.2, and a web server on all addresses.
cat >"$work/host.py" <<'PYTHON'
import http.server, os, socket, threading
import pycurl
from dnslib import QTYPE, RR, A
from dnslib.server import BaseResolver, DNSServer

asked = []

class Anything(BaseResolver):
    def resolve(self, request, handler):
        if "localhost" in str(request.q.qname): asked.append(str(request.q.qname))
        reply = request.reply()
        if request.q.qtype == QTYPE.A:
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("127.0.0.2"), ttl=1))
        return reply

class Quiet:
    def __getattr__(self, name): return lambda *arguments: None

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *arguments): pass

DNSServer(Anything(), address="127.0.0.1", port=53, logger=Quiet()).start_thread()
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()

transfer = pycurl.Curl()
transfer.setopt(pycurl.URL, "http://web.localhost:8000/")
transfer.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4)
transfer.perform()
print("libcurl:", transfer.getinfo(pycurl.PRIMARY_IP), "asked:", asked)
found = socket.getaddrinfo("web.localhost", 8000, socket.AF_INET, socket.SOCK_STREAM)
print("getaddrinfo:", found[0][4][0], "asked:", asked)
print("localhost itself:", socket.getaddrinfo("localhost", 8000, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
os._exit(0)
PYTHON

unshare --net --mount sh -c '
  ip link set lo up
  for file in resolv.conf nsswitch.conf hosts; do mount --bind "$1/$file" "/etc/$file"; done
  PYTHONPATH="$1/packages" exec python3 "$1/host.py"
' sh "$work" >"$work/seen"
cat >"$work/expected" <<'EXPECTED'
libcurl: 127.0.0.1 asked: []
getaddrinfo: 127.0.0.2 asked: ['web.localhost.']
localhost itself: 127.0.0.1
EXPECTED
cat "$work/seen"
diff "$work/expected" "$work/seen" || { echo 'localhost-subdomains: the behaviour has changed' >&2; exit 1; }
