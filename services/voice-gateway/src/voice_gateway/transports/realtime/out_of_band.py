"""Owns the out-of-band responses of one call that are being made; they end with the call."""

import asyncio
from collections.abc import Awaitable, Callable

from voice_gateway.call.calls import Call
from voice_gateway.call.out_of_band import OutOfBandResponse
from voice_gateway.messages import ToCaller
from voice_gateway.transports.realtime.inbound import OutOfBandRequest


class OutOfBandResponses:
    """Runs the responses side by side, in `tasks`."""

    def __init__(self, call: Call, tasks: asyncio.TaskGroup) -> None:
        self._call = call
        self._tasks = tasks
        self._running: dict[int, tuple[OutOfBandResponse, asyncio.Task[None]]] = {}

    def begin(self, asked: OutOfBandRequest, tell: Callable[[ToCaller], Awaitable[None]]) -> None:
        response = self._call.out_of_band(asked.number, asked.history, asked.config)
        task = self._tasks.create_task(response.run(tell), name=f"out of band {-asked.number}")
        self._running[asked.number] = response, task
        task.add_done_callback(lambda _: self._running.pop(asked.number))

    def stop(self, number: int) -> None:
        """End one response, and tell the client; one that is over stays as it is."""
        if number in self._running:
            self._running[number][0].stop()

    def cancel(self) -> None:
        """End all responses, without telling the client."""
        for _, task in self._running.values():
            task.cancel()
