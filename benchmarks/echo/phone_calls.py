"""Holds the calls of callers on loudspeakers who listen to replies or talk over them."""

import asyncio
from collections.abc import Sequence

import grpc.aio
from voice_gateway.testing.loudspeaker import Came, Speakerphone, Way, speakerphone
from voice_proto import voice_workflow_pb2 as pb

from echo.call_plans import ANSWERED, QUIET, Clip, Part, Plan, words_of
from echo.outcomes import LATE_S, Alone, Answered, Calls, Clear, TalkedOver
from echo.scripted_chat import TYPED, Chat
from shared.clock import now

_PATIENCE_S = 30.0
_ECHO_TURN_S = 1.5  # silence after a reply in which its echo could still become a turn
_BETWEEN_PARTS_S = 0.7  # silence between two parts of a call
_FADE_S = 0.5  # the end of a clip, which holds no words any more
_ANSWER_WAIT_S = 8.0  # after a clip, until the gateway has begun its answer


class Caller:
    """One call, from its first question to its last reply."""

    def __init__(self, plan: Plan, chat: Chat, phone: Speakerphone, seen: Calls) -> None:
        self._plan = plan
        self._chat = chat
        self._phone = phone
        self._seen = seen
        self._asked = 0
        self._reply = 0
        """The reply that is being spoken and is wanted; 0: there is none."""

    async def hold(self) -> None:
        for part in self._plan.parts:
            if part.kind == QUIET:
                await self._calm_down()
                await self._ask()
                await self._listen()
            elif part.kind == ANSWERED:
                await self._hear_out()
                await self._ask()
                await self._answer(part)
            else:
                await (self._speaking() if self._reply else self._ask())
                await self._talk_over(part)

    async def _ask(self) -> None:
        """Type a question and wait for the reply's first audio."""
        self._asked += 1
        first = len(self._phone.came)
        await self._phone.type(f"{TYPED}{self._asked}, please.")
        if not await self._phone.until(lambda: self._voice(first) > 0, _PATIENCE_S):
            raise TimeoutError("no reply was spoken")
        self._reply = self._voice(first)

    async def _speaking(self) -> None:
        reply = self._reply
        if not await self._phone.until(lambda: bool(self._audio(reply)), _PATIENCE_S):
            raise TimeoutError("no reply was spoken")

    def _voice(self, first: int) -> int:
        """The reply of the first audio among the messages from `first` on."""
        return next((came.reply for came in self._phone.came[first:] if _is_audio(came)), 0)

    async def _calm_down(self) -> None:
        """Stop the reply that is being spoken, and wait for a moment of silence."""
        if self._reply:
            await self._phone.stop_reply()
        self._reply = 0
        await self._silence(_BETWEEN_PARTS_S)

    async def _hear_out(self) -> None:
        """Hear the reply that is being spoken to its end: what is cut off is asked again."""
        if reply := self._reply:
            await self._phone.until(lambda: self._over(reply), _PATIENCE_S)
        self._reply = 0
        await self._silence(_BETWEEN_PARTS_S)

    async def _silence(self, seconds: float) -> None:
        """Wait until nothing has been played for `seconds`."""
        since = now()

        def silent() -> bool:
            at = self._phone.silent_at
            return at is not None and now() - max(since, at) >= seconds

        await self._phone.until(silent, _PATIENCE_S)

    async def _listen(self) -> None:
        reply, first = self._reply, self._index_of(self._reply)
        began_at = self._phone.came[first].at
        await self._phone.until(lambda: self._over(reply), _PATIENCE_S)
        await self._silence(_ECHO_TURN_S)
        came = self._phone.came[first:]
        turns = sum(each.is_event(pb.PROCESSING) and each.reply > reply for each in came)
        words = tuple(each.message.transcript_chunk for each in came)
        cut = any(each.cut and each.reply == reply for each in came)
        text, call = self._text(reply), self._plan.name
        shown = tuple(filter(None, words))
        alone = Alone(call, reply, text, began_at, now(), cut, turns, shown)
        self._seen.alone.append(alone)
        self._reply = self._live() if turns else 0

    async def _talk_over(self, part: Part) -> None:
        assert part.clip
        reply, phone, clip = self._reply, self._phone, part.clip
        first, before = self._index_of(reply), self._chat.question(self._plan.name)
        await asyncio.sleep(phone.came[first].at + part.after_s - now())
        late = self._over(reply)
        at = phone.say(clip.samples)
        until_s = at + clip.seconds + LATE_S - now()
        await phone.until(lambda: self._over(reply), until_s)
        cut = next((each.at for each in phone.came if each.cut and each.reply == reply), None)
        silent_at = await self._silent_after(at)
        over = TalkedOver(
            self._plan.name,
            reply,
            self._text(reply),
            clip.name,
            at,
            late,
            None if cut is None else cut - at,
            max((each.at - at for each in self._audio(reply) if each.at > at), default=None),
            None if cut is None else silent_at - at,
            clip.seconds,
            clip.words,
            await self._words(clip, at, before),
        )
        self._seen.over.append(over)

    async def _answer(self, part: Part) -> None:
        """Answer the question once it was heard, and see what became of the answer."""
        assert part.clip
        phone, clip, reply = self._phone, part.clip, self._reply
        await phone.until(lambda: self._over(reply), _PATIENCE_S)
        await self._silence_since_played(part.after_s)
        before = self._chat.question(self._plan.name)
        at = phone.say(clip.samples)
        got = await self._words(clip, at, before)
        asked = self._text(reply)
        self._seen.answered.append(Answered(self._plan.name, asked, clip.words, got))

    async def _silence_since_played(self, seconds: float) -> None:
        """Wait until the loudspeaker has been silent for `seconds`."""

        def silent() -> bool:
            at = self._phone.silent_at
            return at is not None and now() - at >= seconds

        await self._phone.until(silent, _PATIENCE_S)

    async def _silent_after(self, at: float) -> float:
        await self._phone.until(lambda: self._phone.silent_at is not None, 1.0)
        return max(at, self._phone.silent_at or now())

    async def _words(self, clip: Clip, at: float, before: str) -> tuple[str, ...] | None:
        """Wait for the turn that the clip makes, and for its answer.

        When it is spoken early into the answer to `before`, the clip goes on with that question.
        """
        ends_at = at + clip.seconds

        def answered() -> bool:
            return self._live(ends_at - _FADE_S) > 0

        turn = await self._phone.until(answered, ends_at + _ANSWER_WAIT_S - now())
        self._reply = self._live(ends_at - _FADE_S)
        if not turn:
            return None
        question = self._chat.question(self._plan.name)
        return words_of(question if question == before else question.removeprefix(before))

    def _live(self, since: float = 0.0) -> int:
        """The reply that was announced last, unless it is over."""
        spoken = [each for each in self._phone.came if each.is_event(pb.SPEAKING)]
        last = spoken[-1] if spoken else None
        return last.reply if last and last.at > since and not self._over(last.reply) else 0

    def _over(self, reply: int) -> bool:
        return any(
            each.reply == reply and (each.cut or each.is_event(pb.END_OF_TURN))
            for each in self._phone.came
        )

    def _audio(self, reply: int) -> list[Came]:
        return [each for each in self._phone.came if each.reply == reply and _is_audio(each)]

    def _index_of(self, reply: int) -> int:
        came = self._phone.came
        return next(i for i, each in enumerate(came) if each.reply == reply and _is_audio(each))

    def _text(self, reply: int) -> str:
        came = self._phone.came
        return "".join(c.message.llm_response_chunk for c in came if c.reply == reply)


async def hold_calls(address: str, plans: Sequence[Plan], chat: Chat, at_once: int) -> Calls:
    """Hold all calls, `at_once` at a time."""
    seen = Calls()
    waiting = list(reversed(plans))

    async def worker(ordinal: int) -> None:
        await asyncio.sleep(ordinal * 1.7)  # the calls run out of step
        while waiting:
            await _hold(address, waiting.pop(), chat, seen)

    async with asyncio.TaskGroup() as tasks:
        for ordinal in range(at_once):
            tasks.create_task(worker(ordinal))
    return seen


async def _hold(address: str, plan: Plan, chat: Chat, seen: Calls) -> None:
    options = {"system_prompt": plan.name, "name": plan.name}
    try:
        async with speakerphone(address, plan.way, can_pause=plan.can_pause, **options) as phone:
            await Caller(plan, chat, phone, seen).hold()
            seen.late_s += phone.late_s
    except* (grpc.aio.AioRpcError, TimeoutError, asyncio.InvalidStateError) as errors:
        seen.problems += [f"{plan.name}: {error!r}" for error in errors.exceptions]


async def say_in_silence(address: str, clips: Sequence[Clip]) -> list[Clear]:
    """Say each clip once, while nothing else sounds."""
    return [await _say_in_silence(address, clip) for clip in clips]


async def _say_in_silence(address: str, clip: Clip) -> Clear:
    way = Way(delay_s=0.1, gain_db=-120.0)
    async with speakerphone(address, way, system_prompt="clear", name="clear") as phone:
        await asyncio.sleep(0.3)
        ends_at = phone.say(clip.samples) + clip.seconds
        await phone.until(lambda: _answered(phone, ends_at), clip.seconds + _ANSWER_WAIT_S)
        finals = [c.message for c in phone.came if c.message.transcript.is_final]
        text = " ".join(message.transcript_chunk for message in finals)
        return Clear(clip.name, clip.words, words_of(text))


def _answered(phone: Speakerphone, ends_at: float) -> bool:
    return any(each.is_event(pb.SPEAKING) and each.at > ends_at for each in phone.came)


def _is_audio(came: Came) -> bool:
    return bool(came.message.audio_chunk)
