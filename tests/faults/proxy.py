"""A proxy between a client and an MLflow server, with faults on demand."""

import http.client
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "host"}


class Proxy:
    """Passes requests on to an MLflow server, until `fault` is set.

    Args:
        address: The server's.

    Attributes:
        fault: `None`; a status to answer with; a number of seconds to wait before each answer; or `ConnectionError`
            to hang up without any.
    """

    def __init__(self, address):
        self.fault = None
        proxy, target = self, urlsplit(address)

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if proxy.fault is ConnectionError:
                    self.close_connection = True
                    return
                if isinstance(proxy.fault, int):
                    self.send_error(proxy.fault)
                    return
                if proxy.fault is not None:
                    time.sleep(proxy.fault)
                with suppress(BrokenPipeError, ConnectionResetError):  # a client that did not wait
                    self.pass_on(body)

            def pass_on(self, body):
                connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
