#!/usr/bin/env python3
"""Sends a file over HTTP/3 as an IETF resumable upload, and prints what came back: a JSON object with the statuses, the last body,
and the seconds it took.

Usage: http3.py URL FILE CERTIFICATE KEY-OF-THE-API [ADDRESS, 127.0.0.1 unless named]
"""

import asyncio
import json
import pathlib
import ssl
import sys
import time
from urllib.parse import urlsplit

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration

PIECE_BYTES = 1 << 20
TIMEOUT_SECONDS = 300


class Client(QuicConnectionProtocol):
    def __init__(self, *words, **named):
        super().__init__(*words, **named)
        self.http = H3Connection(self._quic)
        self.statuses, self.body = [], b""
        self.ended = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        for seen in self.http.handle_event(event):
            if isinstance(seen, HeadersReceived):
                self.statuses.append(int(dict(seen.headers)[b":status"]))
            elif isinstance(seen, DataReceived):
                self.body += seen.data
            if getattr(seen, "stream_ended", False) and not self.ended.done():
                self.ended.set_result(None)

    async def send(self, url, content, key):
        stream = self._quic.get_next_available_stream_id()
        headers = {
            ":method": "POST",
            ":scheme": "https",
            ":authority": url.netloc,
            ":path": url.path,
            "authorization": f"Bearer {key}",
            "upload-complete": "?1",
            "upload-draft-interop-version": "6",
            "content-length": str(len(content)),
        }
        self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in headers.items()])
        for begin in range(0, len(content), PIECE_BYTES):
            self.http.send_data(stream, content[begin : begin + PIECE_BYTES], begin + PIECE_BYTES >= len(content))
            self.transmit()
            await asyncio.sleep(0)
        await asyncio.wait_for(self.ended, TIMEOUT_SECONDS)


async def main():
    url, file, certificate, key = urlsplit(sys.argv[1]), *sys.argv[2:5]
    address = sys.argv[5] if len(sys.argv) > 5 else "127.0.0.1"
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=url.hostname, verify_mode=ssl.CERT_REQUIRED
    )
    configuration.load_verify_locations(certificate)
    began = time.monotonic()
    async with connect(address, url.port, configuration=configuration, create_protocol=Client) as client:
        await client.send(url, pathlib.Path(file).read_bytes(), key)
        print(
            json.dumps(
                {
                    "statuses": client.statuses,
                    "body": client.body.decode(),
                    "seconds": round(time.monotonic() - began, 2),
                }
            )
        )


asyncio.run(main())
