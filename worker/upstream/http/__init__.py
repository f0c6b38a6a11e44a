"""An HTTP/1.1 client for one thing: many long answers at once, each read with as little CPU as can be.

What it does: POST with a body in memory; a new connection for each request; TLS with the system's certificates and
one file more; Happy Eyeballs (RFC 8305); a tunnel through an HTTP proxy (CONNECT); chunked, delimited and
connection-ended bodies; gzip and deflate, unpacked in bounded pieces; interim answers (1xx); trailers, which it drops.

What it leaves out, and why:

- Connections that serve a second request: a POST could cross with the server's close, and nobody would know whether
  it ran and must be paid.
- Redirects, cookies, retries, timeouts after connecting: the caller decides, by its own clocks.
- HTTP/2: one stream a connection costs less here, and no provider requires it.
- Chat completions: nothing here knows what the bytes mean. Its errors are in `worker/upstream/errors/reaching.py`, and
  two of `answering.py`: `CutMidStream` and `NotAStream`.

Why not a library: `docs/decisions.md` has the measurements. A piece goes from the socket's callback straight to its
reader.

How it is attacked: `tests/upstream/test_connection.py`, `test_tls.py` and `test_proxy.py` (cuts at every byte, broken
chunks, a second answer, endless heads, hostile proxies), and `tests/providers` feeds each known answer cut anywhere.

- `client.py` connects and sends. `connection.py` is one request and its answer; llhttp has the syntax.
- `body.py` reads and unpacks a body. `tunnel.py` speaks to a proxy.
"""
