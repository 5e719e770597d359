"""A wire between a store and its PostgreSQL server, to be cut at a chosen moment."""

from __future__ import annotations

import asyncio


class CuttableConnection:
    """Stands between a store and its server, and cuts the wire at a statement of its choice."""

    def __init__(self, socket: str) -> None:
        self.socket, self.cut_at, self.after = socket, b"", False
        self.cuts = 0

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self.socket)
        back = asyncio.create_task(self._pass_back(server_reader, writer))
        while data := await reader.read(1 << 16):
            if self.cut_at and self.cut_at in data:
                back.cancel()
                await self._cut(data, server_reader, server_writer)
                break
            server_writer.write(data)
        server_writer.close()
        writer.close()
        await asyncio.gather(back, return_exceptions=True)

    async def _cut(
        self, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.cut_at, self.cuts = b"", self.cuts + 1
        await asyncio.sleep(0)  # the way back has let go of its reader
        if self.after:
            writer.write(data)
            await reader.read(1)  # the server has done it, and nobody will hear so

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()
