"""Makes the options of each part of the gateway from the settings."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from voice_gateway.access.opened import AccessOptions
from voice_gateway.adapters.chat import ChatOptions
from voice_gateway.adapters.local_memory import LocalMemories
from voice_gateway.adapters.redis_memory import RedisMemories
from voice_gateway.adapters.riva_asr import RecognisedLanguage, RecogniserOptions
from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.call.admission import AdmissionLimits
from voice_gateway.call.allowance import MessageLimits
from voice_gateway.call.calls import CallLimits
from voice_gateway.call.languages import CallLanguage, Languages, Offer
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.hearing.end_of_turn import TurnEnds, load_turn_end
from voice_gateway.hearing.voice_activity import VoiceActivity, load_silero
from voice_gateway.language import language_of, primary_subtag
from voice_gateway.messages import CallConfig
from voice_gateway.settings import Settings, is_loopback
from voice_gateway.settings.language_table import LanguageRow
from voice_gateway.speaking.apology import OFF
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.transports import open_files
from voice_gateway.transports.callers_address import Proxies
from voice_gateway.transports.http import PageOptions
from voice_gateway.transports.http_access import Sites
from voice_gateway.transports.listener import ConnectionLimits
from voice_gateway.transports.realtime.session_options import RATE_HZ as REALTIME_HZ
from voice_gateway.transports.tls import TlsFiles
from voice_gateway.transports.wire import Defaults


def riva_channel(settings: Settings, stage: str) -> RivaConnection:
    asr = stage == "asr"
    return RivaConnection(
        stage="asr" if asr else "tts",
        uri=settings.asr_uri() if asr else settings.tts_uri(),
        tls=settings.riva_tls,
        tls_ca=settings.riva_tls_ca,
        api_key=settings.riva_api_key.get_secret_value(),
        function_id=settings.riva_asr_function_id if asr else settings.riva_tts_function_id,
        keepalive_s=settings.riva_keepalive_s,
    )


def activity(settings: Settings) -> Callable[[int], VoiceActivity] | None:
    return load_silero() if settings.turn_detection == "voice" else None


def turn_ends(settings: Settings, count: Callable[[str], None]) -> TurnEnds | None:
    wanted = settings.turn_detection == "voice" and settings.turn_end_model == "on"
    return load_turn_end(count) if wanted else None


def memories(settings: Settings) -> LocalMemories | RedisMemories:
    url = settings.call_state_url.get_secret_value()
    keep_s = settings.call_state_keep_s
    return RedisMemories(url, keep_s) if url else LocalMemories(keep_s)


def recogniser_options(settings: Settings) -> RecogniserOptions:
    rows = settings.language_rows()
    return RecogniserOptions(
        languages={
            tag: RecognisedLanguage(
                row.asr_language,
                row.asr_model or (settings.asr_model if tag == settings.asr_language else ""),
                row.asr_rate_hz,
            )
            for tag, row in rows.items()
        },
        model=settings.asr_model,
        punctuation=settings.asr_punctuation,
        stop_history_ms=settings.asr_stop_history_ms,
        stop_history_eou_ms=settings.asr_stop_history_eou_ms,
        force_eou=settings.asr_force_eou,
        timeout_s=settings.asr_timeout_s,
        keepalive_s=settings.asr_keepalive_s,
    )


def chat_options(settings: Settings) -> ChatOptions:
    return ChatOptions(
        base_url=settings.llm_base_url,
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value(),
        warm_up=_prompt_in(settings, settings.asr_language) if settings.llm_warm_up else "",
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        context_tokens=settings.llm_context_tokens,
        connect_timeout_s=settings.llm_connect_timeout_s,
        first_token_timeout_s=settings.llm_first_token_timeout_s,
        token_timeout_s=settings.llm_token_timeout_s,
    )


def call_limits(settings: Settings) -> CallLimits:
    return CallLimits(
        admission=AdmissionLimits(
            calls=settings.max_calls,
            calls_per_principal=settings.max_calls_per_principal,
            calls_per_address=settings.max_calls_per_address,
            new_calls_per_s=settings.new_calls_per_s,
        ),
        messages=MessageLimits(
            requests_per_min=settings.requests_per_min,
            typed_chars_per_min=settings.typed_chars_per_min,
            audio_lead_s=settings.audio_lead_s,
        ),
        silent_s=settings.call_silent_timeout_s,
        by_headroom=settings.admit_by_load,
    )


def proxies(settings: Settings) -> Proxies:
    return Proxies(settings.trusted_proxies)


def http_connections(settings: Settings) -> ConnectionLimits:
    most = open_files.http_connections(settings.max_calls, open_files.limit())
    return ConnectionLimits(most=most)


def languages(settings: Settings, offer: Offer) -> Languages:
    usual, rows = settings.asr_language, settings.language_rows()
    tags = [usual, *(tag for tag in rows if tag != usual)]
    return Languages(
        {tag: _call_language(settings, tag) for tag in tags},
        lambda tag: _call_language(settings, tag),
        offer,
        closed=bool(rows),
        has_tool=settings.language_tool,
        follows=settings.language_follows,
    )


def _call_language(settings: Settings, tag: str) -> CallLanguage:
    """The row of a language in the table; what it leaves out is that of ASR_LANGUAGE, or its own.

    Voice and texts are one language's: those of ASR_LANGUAGE are none for another.
    """
    row = settings.language_rows().get(tag) or LanguageRow.model_validate({})
    usual = tag.lower() == settings.asr_language.lower()
    kin = primary_subtag(tag) == primary_subtag(settings.asr_language)

    def said(given: str, setting: str, own: str) -> str:
        return given or (setting.strip() if kin else "") or own

    greeting = said(row.greeting, settings.greeting, language_of(tag).greeting)
    goodbye = said(row.idle_goodbye, settings.idle_goodbye, _own(tag, "goodbye"))
    return CallLanguage(
        tag,
        asr_code=row.asr_language,
        asr_model=row.asr_model or (settings.asr_model if usual else ""),
        asr_rate_hz=row.asr_rate_hz,
        tts_code=row.tts_language,
        voice=row.tts_voice or (settings.tts_voice if usual else ""),
        system_prompt=row.system_prompt or _prompt_in(settings, tag),
        greeting=greeting if settings.greeting.strip() else "",
        idle_prompt=said(row.idle_prompt, settings.idle_prompt, _own(tag, "idle_prompt")),
        goodbye="" if settings.idle_goodbye.strip() == OFF else goodbye,
    )


def _own(tag: str, text: Literal["idle_prompt", "goodbye", "system_prompt"]) -> str:
    """What a language says by itself, or English where it has no words for it."""
    return getattr(language_of(tag), text) or getattr(language_of("en"), text)


def _prompt_in(settings: Settings, tag: str) -> str:
    """What the model is told in calls in this language, where its row does not say it."""
    own, given = language_of(tag), settings.system_prompt
    if primary_subtag(tag) == primary_subtag(settings.asr_language):
        return given or _own(tag, "system_prompt")
    if not given and own.system_prompt:
        return own.system_prompt
    return f"{given or _own(tag, 'system_prompt')} {own.answer_in}".strip()


def call_options(settings: Settings, languages: Languages | None = None) -> CallOptions:
    usual = _call_language(settings, settings.asr_language)
    return CallOptions(
        languages=languages,
        asr_rate_hz=settings.sample_rate,
        playback_lead_s=settings.playback_lead_ms / 1000,
        idle_timeout_s=settings.call_idle_timeout_s,
        longest_s=settings.call_max_s,
        reply=ReplyOptions(
            normalise=settings.tts_normalise,
            normalise_in={
                tag: row.tts_normalise
                for tag, row in settings.language_rows().items()
                if row.tts_normalise is not None
            },
            min_words=settings.tts_min_words,
            trim_s=settings.tts_trim_ms / 1000,
            voice_timeout_s=settings.tts_timeout_s,
        ),
        policy=TurnPolicy(
            settle_s=settings.turn_settle_ms / 1000,
            silence_s=settings.turn_silence_ms / 1000,
            unsure_silence_s=settings.turn_unsure_silence_ms / 1000,
            open_silence_s=settings.turn_open_silence_ms / 1000,
            halting_silence_s=settings.turn_halting_silence_ms / 1000,
            likely=settings.turn_end_likely,
            unlikely=settings.turn_end_unlikely,
            final_wait_s=settings.turn_final_wait_ms / 1000,
            late_wait_s=settings.turn_late_wait_ms / 1000,
            say_again=settings.say_again.strip(),
            max_silence_s=settings.turn_max_silence_ms / 1000,
            reopen_s=settings.turn_reopen_ms / 1000,
            drafts=settings.turn_guesses,
            words_to_interrupt=settings.interrupt_min_words,
            interrupt_voice_s=settings.interrupt_voice_ms / 1000,
            pauses=settings.interrupt_pauses,
            resume_s=settings.interrupt_resume_ms / 1000,
            greeting=usual.greeting,
            greeting_interruptible=not settings.greeting_firm,
            idle_prompt_s=settings.idle_prompt_s,
            idle_prompt=usual.idle_prompt,
            idle_end_s=settings.idle_end_s,
            goodbye=usual.goodbye,
            memory_messages=2 * settings.memory_turns,
        ),
    )


def usual_calls(settings: Settings, languages: Languages) -> list[CallConfig]:
    """The configs of calls that choose nothing but a language, on each front."""
    calls = [
        CallConfig("usual", each.tag, settings.sample_rate, each.voice, "")
        for each in languages.table.values()
    ]
    return [*calls, *(replace(each, rate_hz=REALTIME_HZ) for each in calls)]


def defaults(settings: Settings, languages: Languages) -> Defaults:
    usual = languages.of(settings.asr_language)
    return Defaults(
        language=usual.tag,
        rate_hz=settings.sample_rate,
        voice=usual.voice,
        system_prompt=usual.system_prompt,
        line_echo=settings.line_echo,
        languages=languages,
    )


def page_options(
    settings: Settings, languages: Languages, checked: Mapping[str, bool]
) -> PageOptions:
    known = bool(languages.offer.recognised())
    offered = languages.offered() if known else []
    return PageOptions(
        languages=offered,
        voices={tag: languages.voices(tag) for tag in offered},
        language=settings.asr_language,
        voice=languages.of(settings.asr_language).voice,
        needs_key=settings.asks_keys(),
        down=[name for name, answers in checked.items() if not answers],
    )


def access_options(settings: Settings) -> AccessOptions:
    return AccessOptions(
        keys=settings.api_keys.get_secret_value(),
        keys_file=settings.api_keys_file,
        jwks=settings.jwt_jwks,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        token_secret=settings.token_secret.get_secret_value(),
        may=settings.rights(),
        certificates=settings.tls_client_ca is not None,
        client_crl=settings.tls_client_crl,
        client_ca=settings.tls_client_ca,
    )


def sites(settings: Settings) -> Sites:
    return Sites(
        origins=frozenset(settings.http_origins.replace(",", " ").split()),
        hosts=frozenset(settings.http_hosts.lower().replace(",", " ").split()),
        loopback=is_loopback(settings.bound_host(settings.http_host)),
    )


def tls_files(settings: Settings) -> TlsFiles | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
