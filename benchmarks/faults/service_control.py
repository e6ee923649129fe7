"""Starts the scripted services as processes, kills, pauses and resets them, and stops them."""

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from faults.fault_plan import SERVICES, Fault
from shared.clock import now
from shared.lines import Json
from shared.processes import Child, helper

_READY_S = 60.0


@dataclass(slots=True)
class Service:
    """One address of a service, and the process that serves there now."""

    name: str
    asked_file: Path
    stack: AsyncExitStack
    process: Child = field(init=False)
    address: str = ""
    paused: bool = False

    @property
    def port(self) -> int:
        return int(self.address.removesuffix("/v1").rpartition(":")[2] or 0)

    async def start(self, after_s: float = 0.0) -> None:
        """Serve from `after_s` on, at the same port as before."""
        arguments = (self.name, str(self.port), str(now() + after_s), str(self.asked_file))
        started = helper(self.name, "faults.scripted_service", *arguments)
        self.process = await self.stack.enter_async_context(started)
        self.address = (await self.process.ready(_READY_S + after_s))["at"]

    async def happen(self, fault: Fault) -> None:
        """Return once the fault is over."""
        match fault.kind:
            case "kill":
                self.process.process.kill()
                await self.process.process.wait()
                await self.start(fault.lasts_s)
            case "pause":
                self._signal(signal.SIGSTOP)
                await asyncio.sleep(fault.lasts_s)
                self.go_on()
            case "reset":
                await self.process.ask('{"reset": true}')
            case "hang" | "refuse":
                await self.process.ask(json.dumps({"spoil": fault.kind}))

    def go_on(self) -> None:
        """A stopped process would not hear that it is to end."""
        if self.paused:
            with suppress(ProcessLookupError):  # Ctrl-C in a shell reaches it, too
                self._signal(signal.SIGCONT)

    async def open_streams(self) -> int:
        state: Json = json.loads(await self.process.ask('{"state": true}'))
        return state["streams"]

    def _signal(self, number: signal.Signals) -> None:
        self.process.process.send_signal(number)
        self.paused = number == signal.SIGSTOP


Services = Mapping[str, Sequence[Service]]


async def start_services(stack: AsyncExitStack, addresses: int, asked_file: Path) -> Services:
    services = {
        name: [Service(name, asked_file, stack) for _ in range(addresses)] for name in SERVICES
    }
    async with asyncio.TaskGroup() as tasks:
        for service in every(services):
            tasks.create_task(service.start())
    for service in every(services):
        stack.callback(service.go_on)
    return services


def every(services: Services) -> list[Service]:
    return [service for of_name in services.values() for service in of_name]


def settings_of(services: Services) -> dict[str, str]:
    """The gateway's settings that name them: a list where a service has several addresses."""
    names = {"asr": "RIVA_ASR_URI", "llm": "LLM_BASE_URL", "tts": "RIVA_TTS_URI"}
    return {
        setting: ",".join(service.address for service in services[name])
        for name, setting in names.items()
    }
