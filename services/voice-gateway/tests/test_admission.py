"""Who is admitted: by counts, by pace, and by what the gateway can still carry."""

import asyncio
from collections.abc import Callable

import pytest
from voice_gateway.call.admission import Admission, AdmissionLimits, Bucket, caller_of
from voice_gateway.call.calls import Call, CallLimits, Calls
from voice_gateway.call.headroom import Headroom
from voice_gateway.call.session import CallOptions
from voice_gateway.errors import CallerSilent, GatewayFull, TooManyCalls
from voice_gateway.messages import Audio, CallConfig, Typed
from voice_gateway.observe.metrics import Metrics
from voice_gateway.ports import Services
from voice_gateway.principals import ANYONE, Limits, Principal
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import (
    ScriptedCaller,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
    Sends,
)
from voice_gateway.transports.callers_address import Proxies, grpc_peer

ADA, BOB = Principal("ada"), Principal("bob")
HERE, THERE = "192.0.2.7", "198.51.100.9"


def refusal(ask: Callable[[], object]) -> GatewayFull:
    with pytest.raises(GatewayFull) as refused:
        ask()
    return refused.value


# By counts and by pace.


def test_a_bucket_is_filled_again_with_time():
    bucket = Bucket(2, 1.0, now=0.0)
    assert [bucket.take(1, 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert bucket.take(1, 0.5) == 0.5
    assert bucket.take(1, 1.0) == 0.0
    assert bucket.left(100.0) == 2


def test_a_principal_has_no_more_calls_than_it_may_and_takes_none_of_anothers():
    admission = Admission(AdmissionLimits(calls_per_principal=2))
    for _ in range(2):
        admission.check(ADA, HERE, 0.0)
        admission.enter(ADA, HERE)
    refused = refusal(lambda: admission.check(ADA, THERE, 0.0))
    assert isinstance(refused, TooManyCalls)
    assert str(refused) == "2 calls of principal 'ada' are running; allowed: 2 at once"
    assert refused.retry_after_s == 5
    admission.check(BOB, HERE, 0.0)
    admission.leave(ADA, HERE)
    admission.check(ADA, HERE, 0.0)


def test_a_principals_own_limits_go_before_the_gateways():
    admission = Admission(AdmissionLimits(calls_per_principal=1, new_calls_per_s=100))
    eve = Principal("eve", limits=Limits(calls=2, new_calls_per_s=0.5))
    admission.check(eve, "", 0.0)
    admission.enter(eve, "")
    refused = refusal(lambda: admission.check(eve, "", 0.1))
    assert str(refused) == "new calls of principal 'eve' come faster than allowed: 0.5 a second"
    assert refused.retry_after_s == 2
    admission.check(eve, "", 2.1)


def test_an_address_has_no_more_calls_than_it_may_whoever_calls_from_it():
    admission = Admission(AdmissionLimits(calls_per_address=2))
    for who in (ADA, BOB):
        admission.check(who, HERE, 0.0)
        admission.enter(who, HERE)
    assert "2 calls of address 192.0.2.7" in str(
        refusal(lambda: admission.check(ANYONE, HERE, 0.0))
    )
    admission.check(ANYONE, THERE, 0.0)


def test_new_calls_of_one_address_come_at_their_pace_after_those_of_two_seconds():
    admission = Admission(AdmissionLimits(new_calls_per_s=10))
    for _ in range(20):
        admission.check(ANYONE, HERE, 0.0)
    refused = refusal(lambda: admission.check(ANYONE, HERE, 0.0))
    assert str(refused) == "new calls of address 192.0.2.7 come faster than allowed: 10 a second"
    admission.check(ANYONE, THERE, 0.0)
    admission.check(ANYONE, HERE, 0.1)
    refusal(lambda: admission.check(ANYONE, HERE, 0.1))


def test_what_has_ended_is_counted_no_more():
    admission = Admission(AdmissionLimits())
    admission.enter(ADA, HERE)
    admission.leave(ADA, HERE)
    assert admission.calls == 0
    assert admission.counted() == {}


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a name", "a name"),
    ],
)
def test_one_callers_addresses_are_one(address: str, caller: str):
    assert caller_of(address) == caller


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("203.0.113.5", "192.0.2.7", "203.0.113.5"),  # it is no proxy of ours
        ("10.0.0.3", "", "10.0.0.3"),
        ("10.0.0.3", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.3", "192.0.2.99, 192.0.2.7, 10.0.0.9", "192.0.2.7"),  # the first is made up
        ("10.0.0.3", "junk", "10.0.0.3"),
        ("::ffff:10.0.0.3", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_a_proxys_word_is_taken_where_it_is_trusted(peer: str, forwarded: str, caller: str):
    assert Proxies("10.0.0.0/8, 172.16.0.1").caller(peer, forwarded) == caller


def test_grpc_names_its_peers_in_its_own_way():
    assert grpc_peer("ipv4:192.0.2.7:5060") == "192.0.2.7"
    assert grpc_peer("ipv6:%5B2001:db8::7%5D:5060") == "2001:db8::7"
    assert grpc_peer("unix:/tmp/gateway") == ""


# By what is measured.


def at_rest(most: int = 100) -> Headroom:
    return ticked(Headroom(most), busy=0.1, lag_s=0.001)


def ticked(headroom: Headroom, *, busy: float, lag_s: float, times: int = 8) -> Headroom:
    for _ in range(times):
        headroom.loop(busy=busy, lag_s=lag_s)
    return headroom


def test_a_gateway_at_rest_has_room():
    headroom = at_rest()
    assert headroom.left(calls=10, now=0.0) == pytest.approx(1 - 0.1 / 0.7)
    headroom.check(calls=10, now=0.0)


def test_calls_take_headroom_too():
    assert at_rest().left(calls=75, now=0.0) == pytest.approx(0.25)
    assert at_rest().left(calls=120, now=0.0) == 0.0


def test_a_busy_gateway_takes_no_more_calls_until_it_has_some_time_to_spare():
    headroom = ticked(at_rest(), busy=0.75, lag_s=0.004)
    refused = refusal(lambda: headroom.check(calls=60, now=0.0))
    assert str(refused) == (
        "the gateway takes no more calls for now: it uses 75% of a core; allowed: 70%"
    )
    assert refused.retry_after_s == 5
    assert refusal(lambda: headroom.check(calls=60, now=0.0)).retry_after_s == 6
    ticked(headroom, busy=0.68, lag_s=0.004)
    refusal(lambda: headroom.check(calls=60, now=2.0))
    ticked(headroom, busy=0.60, lag_s=0.004)
    headroom.check(calls=60, now=4.0)


def test_a_late_event_loop_takes_no_more_calls_but_one_stall_is_nothing():
    headroom = ticked(at_rest(), busy=0.1, lag_s=0.4, times=3)
    headroom.check(calls=5, now=0.0)
    ticked(headroom, busy=0.1, lag_s=0.03)
    assert "its event loop is 30 ms late; allowed: 20 ms" in str(
        refusal(lambda: headroom.check(calls=5, now=0.0))
    )


def test_a_few_calls_are_admitted_whatever_else_keeps_the_machine_busy():
    headroom = ticked(at_rest(), busy=0.95, lag_s=0.4)
    headroom.check(calls=3, now=0.0)
    refusal(lambda: headroom.check(calls=4, now=0.0))


def test_what_the_start_took_is_no_load():
    headroom = ticked(Headroom(100), busy=1.0, lag_s=0.4, times=7)
    headroom.check(calls=30, now=0.0)
    ticked(headroom, busy=1.0, lag_s=0.4, times=1)
    refusal(lambda: headroom.check(calls=30, now=0.0))


def test_a_recogniser_that_is_behind_most_calls_takes_no_more():
    headroom = at_rest()
    headroom.recogniser(1, 30.0, now=0.0)  # one call has a fault of its own
    headroom.recogniser(2, 0.2, now=0.0)
    headroom.recogniser(3, 0.2, now=0.0)
    headroom.check(calls=5, now=1.0)
    headroom.recogniser(3, 1.4, now=1.0)
    assert "the recogniser is 1.4 s behind the callers; allowed: 1 s" in str(
        refusal(lambda: headroom.check(calls=5, now=1.0))
    )
    headroom.over(3)
    headroom.check(calls=4, now=1.0)


def test_end_of_turn_predictions_without_time_for_them_take_no_more_calls():
    headroom = at_rest()
    for n in range(10):
        headroom.opinion(refused=n % 3 != 0, now=0.0)
    assert "60% of the end-of-turn predictions come too late" in str(
        refusal(lambda: headroom.check(calls=5, now=1.0))
    )
    headroom.check(calls=5, now=11.0)


def fill(headroom: Headroom, calls: int, now: float) -> tuple[int, GatewayFull]:
    """Begin calls until one is refused; return how many run then, and why no more do."""
    while True:
        try:
            headroom.check(calls, now)
        except GatewayFull as refused:
            return calls, refused
        headroom.began(now)
        calls += 1


def test_calls_that_come_all_at_once_are_admitted_as_far_as_they_may_fit():
    headroom = at_rest()
    admitted, refused = fill(headroom, 0, now=0.0)
    assert admitted == 35  # 40 may try, less what is busy already
    assert str(refused) == (
        "35 calls have begun within 3 s; allowed: 34, until it is seen what they cost"
    )
    assert refused.retry_after_s == 2
    ticked(headroom, busy=0.5, lag_s=0.002)
    admitted, _ = fill(headroom, admitted, now=3.5)
    assert admitted == 49  # 35 calls use half a core, so 49 use 70 % of it


# Whole calls.


def calls_of(most: int, silent_s: float = 300.0) -> Calls:
    services = Services(ScriptedRecogniser(()), ScriptedModel(["Hello."]), ScriptedVoice())
    admission = AdmissionLimits(calls=most)
    return Calls(
        services,
        CallOptions(),
        most=most,
        metrics=Metrics(),
        limits=CallLimits(admission, silent_s=silent_s, by_headroom=False),
    )


CONFIG = CallConfig("test", "en-US", 16_000, "", "Be brief.")


async def quiet(calls: Calls, *sends: Sends) -> Call:
    """A call of this caller, who never hangs up."""
    with calls.admitted("grpc") as call:
        await call.run(ScriptedCaller(sends, None), CONFIG)
    return call


def test_a_call_in_which_nothing_was_said_makes_room_for_another():
    async def run() -> None:
        calls = calls_of(2)
        async with asyncio.TaskGroup() as tasks:
            speaks = tasks.create_task(quiet(calls, Sends(1.0, Audio(bytes(640)))))
            silent = tasks.create_task(refused_in(calls))
            await asyncio.sleep(4)
            refusal(lambda: calls.admitted("grpc").__enter__())  # it may still be about to speak
            await asyncio.sleep(2)
            with calls.admitted("grpc"):
                assert await silent == "another caller needs the line, and nothing was said on it"
                assert not speaks.done()
                refusal(lambda: calls.admitted("grpc").__enter__())
            speaks.cancel()

    virtual_time.run(run())


async def refused_in(calls: Calls, *sends: Sends) -> str:
    try:
        await quiet(calls, *sends)
    except GatewayFull as error:
        return str(error)
    return "it was served"


def test_a_call_in_which_nothing_is_said_does_not_last():
    async def run() -> None:
        calls = calls_of(2, silent_s=20.0)
        with pytest.raises(CallerSilent, match="nothing was said for 20 s"):
            await quiet(calls)
        assert asyncio.get_running_loop().time() == 20.0
        assert len(calls) == 0
        async with asyncio.TaskGroup() as tasks:
            types = tasks.create_task(quiet(calls, Sends(30.0, Typed("hello"))))
            await asyncio.sleep(60)
            assert not types.done()
            types.cancel()

    virtual_time.run(run())


def test_who_hangs_up_while_it_is_let_go_has_hung_up():
    async def run() -> None:
        calls = calls_of(1)
        task = asyncio.get_running_loop().create_task(quiet(calls))
        await asyncio.sleep(10)
        with calls.admitted("grpc"):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert len(calls) == 0

    virtual_time.run(run())
