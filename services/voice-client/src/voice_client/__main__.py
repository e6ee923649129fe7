"""The command `voice`: it reads the command line, holds the call and reports how it went."""

import asyncio
import json
import os
import secrets
import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from voice_proto import voice_workflow_pb2 as wire

from voice_client import doctor, load
from voice_client.call import Gateway, Hello, dial
from voice_client.doctor_server import ServerChecks
from voice_client.doctor_sound import SoundChecks
from voice_client.failures import BadInputError, CallBrokenError, ClientError, Exit
from voice_client.live import LiveScreen
from voice_client.load import Plan, Tally
from voice_client.mic import Line, converse
from voice_client.options import Options, read_options
from voice_client.opus import check_opus
from voice_client.sayings import TYPED_RATE_HZ, read_sayings
from voice_client.screen import Audience, Nobody, Screen
from voice_client.sound import Sound, devices, open_sound
from voice_client.talk import Saying, Talk, TalkOptions
from voice_client.turns import Turns, turn_as_json
from voice_client.wavfile import Wav, write_wav

REAL_TIME_SILENCE_S = 10.0

_SHORTFALLS = {
    Exit.NOT_RECOGNISED: "nothing was recognised",
    Exit.NO_REPLY_AUDIO: "no reply audio came",
}


def main() -> None:
    """Run the command and exit with the status that says what failed."""
    options = read_options()
    try:
        status = asyncio.run(run(options))
    except KeyboardInterrupt:
        say("")
        status = Exit.STOPPED
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Exit.CALL_BROKE
    sys.exit(status)


def say(text: str) -> None:
    """Write a line to standard output."""
    show(f"{text}\n")


def show(text: str) -> None:
    """Write to standard output at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"voice: {text}\n")


async def run(options: Options) -> Exit:
    """Run the command that was asked for; return how it went."""
    match options.command:
        case "mic" | "devices" | "doctor" | "load":
            return await _alone(options)
        case _:
            return await _talk(options)


async def _alone(options: Options) -> Exit:
    """Run a command that shows its own progress."""
    try:
        return await _COMMANDS[options.command](options)
    except ClientError as failure:
        complain(str(failure))
        return failure.status


async def _mic(options: Options) -> Exit:
    if options.list_devices:
        return await _devices(options)
    devices = (options.input_device, options.output_device)
    with open_sound(*devices, cancel_echo=options.echo_cancellation) as sound:
        if options.plain or not sys.stdout.isatty():
            await _converse(options, sound, _screen())
            return Exit.ANSWERED
        console = Console(highlight=False)
        with LiveScreen(console, sound.levels, hint=f"{options.server} · Ctrl-C ends") as live:
            await _converse(options, sound, live)
    return Exit.ANSWERED


async def _converse(options: Options, sound: Sound, audience: Audience) -> None:
    ears, mouth = sound.names
    audience.note(f"microphone: {ears}; loudspeaker: {mouth}; {sound.rate_hz} Hz")
    quiet = options.headphones or options.half_duplex or options.echo_cancellation
    audience.note("speak; Ctrl-C ends" + ("" if quiet else "; best with headphones"))
    line = Line(_gateway(options), _hello(options, sound.rate_hz), options.timeout)
    await converse(line, sound, audience, half_duplex=options.half_duplex)


async def _devices(options: Options) -> Exit:
    found = devices()
    if not found:
        raise BadInputError("this machine has no sound devices")
    for device in found:
        say(
            f"{device.index:>3}  {device.name}  ({device.inputs} in, {device.outputs} out, "
            f"{device.rate_hz} Hz){' default' if device.is_default else ''}"
        )
    return Exit.ANSWERED


async def _doctor(options: Options) -> Exit:
    results: list[doctor.Result] = []
    async for result in doctor.examine(_checks(options)):
        results.append(result)
        if not options.json:
            say(doctor.line(result))
    if options.json:
        say(doctor.as_json(results))
    return doctor.status_of(results)


def _checks(options: Options) -> list[doctor.Check]:
    server = ServerChecks(_gateway(options), options.http_port, options.timeout)
    sound = SoundChecks(options.input_device, options.output_device)
    check = doctor.Check
    checks = [
        check("address", server.reach, Exit.UNREACHABLE),
        check("gateway", server.serves, Exit.UNREACHABLE, needs="address"),
        check("contract", server.contract, Exit.CALL_BROKE, needs="gateway"),
        check("round trip", server.round_trip, Exit.CALL_BROKE, needs="gateway"),
        check("HTTP port", server.http, Exit.CALL_BROKE, needs="address"),
        check("clock", server.clock, Exit.CALL_BROKE, needs="address"),
    ]
    if not options.no_call:
        question = check("question", server.conversation, Exit.CALL_BROKE, needs="gateway")
        checks.append(question)
    if not options.no_sound:
        checks.append(check("microphone", sound.microphone, Exit.BAD_INPUT))
        checks.append(check("loudspeaker", sound.loudspeaker, Exit.BAD_INPUT, needs="microphone"))
    return checks


async def _load(options: Options) -> Exit:
    sayings, rate_hz = read_sayings(options.files, [])
    plan = Plan(
        gateway=_gateway(options),
        hello=_hello(options, rate_hz),
        sayings=sayings,
        calls=options.calls,
        duration_s=options.duration,
        ramp_s=min(options.ramp, options.duration),
        patience_s=options.timeout,
    )
    tally = Tally()
    try:
        await load.load(plan, tally)
    finally:
        # What was measured until a Ctrl-C is worth showing, too.
        say(load.as_json(plan, tally) if options.json else load.report(plan, tally))
    return tally.status


_COMMANDS = {"mic": _mic, "devices": _devices, "doctor": _doctor, "load": _load}


async def _talk(options: Options) -> Exit:
    screen = None if options.json else _screen()
    turns, failure = Turns(TYPED_RATE_HZ), None
    try:
        sayings, turns.rate_hz = read_sayings(options.files, options.texts)
        try:
            await _hold(options, sayings, turns, screen or Nobody())
        finally:
            # What was answered until a Ctrl-C is worth keeping, too.
            _keep(options, turns, screen)
    except ClientError as error:
        failure = error
    return _report(options, turns, failure)


async def _hold(
    options: Options, sayings: Sequence[Saying], turns: Turns, audience: Audience
) -> None:
    hello = _hello(options, turns.rate_hz)
    async with dial(_gateway(options), hello, options.timeout) as call:
        wanted = (", Opus" if call.is_opus else ", no Opus there") if options.opus else ""
        audience.note(f"connected to {options.server}, {turns.rate_hz} Hz{wanted}")
        if said := await call.trouble():
            audience.note(said)
        await Talk(call, turns, audience, _talk_options(options)).run(sayings)


def _talk_options(options: Options) -> TalkOptions:
    silence_s = options.trailing_silence
    if silence_s is None:
        silence_s = 0.0 if options.fast else REAL_TIME_SILENCE_S
    return TalkOptions(options.chunk_ms / 1000, options.fast, silence_s, options.timeout)


def _hello(options: Options, rate_hz: int) -> Hello:
    if options.opus:
        check_opus(rate_hz)
    is_mic, resumes = options.command == "mic", options.command != "load"
    return Hello(
        rate_hz,
        options.language,
        options.voice,
        options.prompt,
        can_pause=is_mic,
        conversation_id=options.conversation or (secrets.token_urlsafe() if resumes else ""),
        line_echo=line_echo(options),
        opus=options.opus,
        resume=resumes,
    )


def line_echo(options: Options) -> "wire.LineEcho":
    """What the microphone picks up of the replies, as far as the options tell."""
    if options.headphones or options.half_duplex:
        return wire.NO_ECHO
    return wire.ECHO_CANCELLED if options.echo_cancellation else wire.LINE_ECHO_UNSPECIFIED


def _gateway(options: Options) -> Gateway:
    if options.ca is None:
        return Gateway(options.server, options.tls, key=options.key)
    try:
        return Gateway(options.server, True, options.ca.read_bytes(), options.key)
    except OSError as error:
        raise BadInputError(f"cannot read {options.ca}: {error.strerror or error}") from None


def _screen() -> Screen:
    on_terminal = sys.stdout.isatty()
    return Screen(show, width=_width if on_terminal else None)


def _width() -> int:
    return shutil.get_terminal_size().columns


def _keep(options: Options, turns: Turns, screen: Screen | None) -> None:
    if screen:
        screen.close()
    if options.out and turns.audio():
        wav = Wav(turns.rate_hz, turns.audio())
        write_wav(options.out, wav)
        if screen:
            screen.note(f"wrote {options.out}: {wav.seconds:.1f} s of reply")


def _report(options: Options, turns: Turns, failure: ClientError | None) -> Exit:
    status = failure.status if failure else turns.outcome()
    text = str(failure) if failure else _SHORTFALLS.get(status, "")
    if text:
        complain(text)
    if options.json:
        code = failure.code if isinstance(failure, CallBrokenError) else ""
        say(_as_json(options, turns, status, {"error": text, "code": code}))
    return status


def _as_json(options: Options, turns: Turns, status: Exit, error: dict[str, str]) -> str:
    report = {
        "server": options.server,
        "rate_hz": turns.rate_hz,
        "status": int(status),
        "outcome": status.name.lower(),
        **error,
        "turns": [turn_as_json(turn, turns.rate_hz) for turn in turns.all],
        "out": str(options.out) if options.out and turns.audio() else None,
    }
    return json.dumps(report, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
