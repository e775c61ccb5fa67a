"""include/steer/steer.h through ctypes: every struct, constant and function, and a small layer for tests.

    model = Model(folder, dtype=F32, device="cpu")
    session = model.session(context_max=512)
    session.set_generation(temperature=0.0, token_max=16)
    session.set_tokens(model.encode("hello"))
    tokens = [step.token for step in session.generate()]

A status that is not OK raises SteerError with the library's words. The library is the one that the environment variable
STEER_LIBRARY names, else the newest build/*/lib/libsteer.so, with libsteer_torch.so beside it if there is such a one.
"""

import ctypes as c
import glob
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# ---- constants -------------------------------------------------------------------------------------------------------

OK = 0
ERR_ARG, ERR_STATE, ERR_BUSY, ERR_BUFFER, ERR_CONTEXT_FULL, ERR_MISMATCH, ERR_UNSUPPORTED, ERR_IO = range(-1, -9, -1)
(ERR_FORMAT, ERR_MEMORY, ERR_DEVICE_MEMORY, ERR_DEVICE, ERR_DEVICE_LOST, ERR_NUMERIC, ERR_CANCELLED,
 ERR_INTERNAL) = range(-9, -17, -1)
LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG = range(4)
DTYPE_AUTO, DTYPE_F32, DTYPE_F16, DTYPE_BF16 = range(4)
WEIGHTS_AS_STORED, WEIGHTS_INT8, WEIGHTS_INT4, WEIGHTS_NF4 = range(4)
RESIDENCY_NONE, RESIDENCY_HOST, RESIDENCY_DEVICE = range(3)
PRIORITY_NORMAL, PRIORITY_LOW = range(2)
MODEL_VERIFY, MODEL_ALLOW_CODE = 1, 2
MODEL_ARCHITECTURE, MODEL_CHAT_TEMPLATE, MODEL_CONFIG, MODEL_GENERATION_CONFIG = range(4)
TEXT_SPECIAL = 1
CHAT_OPEN_REPLY, CHAT_CONTINUE = 1, 2
SITE_FROM_FILE, SITE_OUTPUT, SITE_INPUT = range(3)
FORMAT_NATIVE, FORMAT_GGUF, FORMAT_TORCH, FORMAT_SVEC = range(4)
ROWS_WRITE, ROWS_READ = range(2)
METHOD_MEAN_DIFFERENCE, METHOD_PCA_CENTRED, METHOD_PCA_UNCENTRED, METHOD_PCA_PAIRS, METHOD_PROBE = range(5)
POOL_REPLY_MEAN, POOL_USER_MEAN, POOL_PROMPT_LAST, POOL_REPLY_LAST, POOL_LAST, POOL_SHARED_TOKENS = range(6)
OP_ADD, OP_ADD_KEEP_NORM, OP_INTERVAL = range(3)
UNIT_RAW, UNIT_RELATIVE, UNIT_GAPS = range(3)
SPAN_ALL, SPAN_PROMPT, SPAN_REPLY = range(3)
TEST_ABOVE, TEST_BELOW = range(2)
WHEN_LAST_STEP, WHEN_SAME_PASS = range(2)
METRIC_COSINE, METRIC_PROJECTION, METRIC_DOT = range(3)
REDUCE_MEAN, REDUCE_MAX, REDUCE_LAST = range(3)
READING_RAW, READING_OWN, READING_OWN_CORRECTED, READING_TWIN = range(4)
TAP_BEFORE, TAP_AFTER = range(2)
SCALE_NATURAL, SCALE_CALIBRATED = range(2)
CONSTRAINT_NONE, CONSTRAINT_JSON, CONSTRAINT_JSON_SCHEMA = range(3)
GUARD_OFF, GUARD_REPORT, GUARD_LOWER, GUARD_REWIND, GUARD_STOP = range(5)
(FINISH_NONE, FINISH_STOP_TOKEN, FINISH_STOP_TEXT, FINISH_TOKEN_MAX, FINISH_CONTEXT_FULL, FINISH_CANCELLED,
 FINISH_GUARD, FINISH_DEAD_END) = range(8)
STEP_PROMPT, STEP_TEXT_HELD, STEP_SENTENCE_END, STEP_GUARD, STEP_HOLD_LIMIT = (1 << i for i in range(5))
STATE_CACHE = 1

# ---- structs ---------------------------------------------------------------------------------------------------------

i32, u32, u64, f32, size_t, ptr, text = c.c_int32, c.c_uint32, c.c_uint64, c.c_float, c.c_size_t, c.c_void_p, c.c_char_p
ProgressFn = c.CFUNCTYPE(i32, ptr, f32)
LogFn = c.CFUNCTYPE(None, ptr, i32, ptr, size_t)
Fingerprint = c.c_uint8 * 32


def struct(name, /, **fields):
    """A ctypes.Structure from name=type pairs, in the header's order."""
    return type(name, (c.Structure,), {"_fields_": [(key, value) for key, value in fields.items()]})


Error = struct("Error", status=i32, message=c.c_char * 252)
View = struct("View", data=ptr, size=size_t)
ModelOptions = struct("ModelOptions", struct_size=u32, dtype=i32, device=text, weights=i32, residency=i32, priority=i32,
                      flags=u32, device_memory_max=u64, progress_fn=ProgressFn, progress_user=ptr)
ModelInfo = struct("ModelInfo", layer_count=i32, hidden_size=i32, vocab_size=i32, context_max=i32, dtype=i32,
                   weights=i32, residency=i32, device=i32, weight_bytes=u64, cache_bytes_per_token=u64,
                   device_bytes_used=u64, device_bytes_free=u64, fingerprint=Fingerprint)
ChatMessage = struct("ChatMessage", role=View, content=View, extra=View)
Chat = struct("Chat", struct_size=u32, flags=u32, messages=c.POINTER(ChatMessage), message_count=size_t, tools=View,
              variables=View, template_text=View)
VectorOptions = struct("VectorOptions", struct_size=u32, layer_begin=i32, site_measured=i32, site_applied=i32,
                       model=ptr, name=text, data=ptr, data_size=size_t)
VectorInfo = struct("VectorInfo", layer_begin=i32, layer_end=i32, hidden_size=i32, site_measured=i32, site_applied=i32,
                    calibrated=i32, best_begin=i32, best_end=i32, gauge_layer=i32, strength_safe=f32,
                    fingerprint=Fingerprint, model_fingerprint=Fingerprint, name=text)
VectorLayer = struct("VectorLayer", row=c.POINTER(f32), norm=f32, residual_norm=f32, explained_variance=f32, auc=f32,
                     auc_content=f32, neutral=f32, persona=f32, split_half_cosine=f32)
Passage = struct("Passage", system=View, prompt=View, reply=View)
ContrastPair = struct("ContrastPair", positive=Passage, negative=Passage, group=u64)
ExtractOptions = struct("ExtractOptions", struct_size=u32, layer_begin=i32, layer_end=i32, method=i32, pooling=i32,
                        holdout=f32, seed=u64, name=text, progress_fn=ProgressFn, progress_user=ptr,
                        resume_path=text)
SessionOptions = struct("SessionOptions", struct_size=u32, context_max=i32, prefill_chunk=i32, injection_max=i32,
                        gauge_max=i32, twin=i32)
SessionInfo = struct("SessionInfo", token_count=i32, computed_count=i32, stale_from=i32, context_max=i32, turn=u32,
                     reply_count=i32, seed=u64, cache_bytes=u64)
Condition = struct("Condition", gauge=u32, when=i32, test=i32, enter=f32, leave=f32, group=u32)
InjectionOptions = struct("InjectionOptions", struct_size=u32, op=i32, vector=ptr, layer_scales=c.POINTER(f32),
                          conditions=c.POINTER(Condition), condition_count=u32, layer_begin=i32, layer_end=i32,
                          unit=i32, span=i32, rows=i32, strength=f32, strength_min=f32, strength_max=f32, low=f32,
                          high=f32, hold_gauge=u32, hold_target=f32, hold_rate=f32)
GaugeOptions = struct("GaugeOptions", struct_size=u32, metric=i32, vector=ptr, layer_begin=i32, layer_end=i32,
                      reduce=i32, reading=i32, tap=i32, scale=i32, window=i32, rows=i32)
LogitBias = struct("LogitBias", token=i32, bias=f32)
Candidate = struct("Candidate", token=i32, log_prob=f32)
GenerationOptions = struct("GenerationOptions", struct_size=u32, token_max=i32, seed=u64, temperature=f32, top_p=f32,
                           min_p=f32, typical_p=f32, top_k=i32, repeat_penalty=f32, presence_penalty=f32,
                           frequency_penalty=f32, penalty_window=i32, top_log_probs=i32, prompt_log_probs=i32,
                           constraint=i32, constraint_text=View, stop_texts=c.POINTER(View), stop_text_count=size_t,
                           stop_tokens=c.POINTER(i32), stop_token_count=size_t, biases=c.POINTER(LogitBias),
                           bias_count=size_t, kl_budget=f32, guard=i32)
StepStruct = struct("StepStruct", struct_size=u32, status=i32, finish=i32, flags=u32, turn=u32, position=i32, token=i32,
                    log_prob=f32, entropy=f32, kl=f32, kl_share=f32, twin_log_prob=f32, milliseconds=f32,
                    pending_count=u32, gauge_count=u32, strength_count=u32, top_count=u32, prompt_count=u32,
                    gauges=c.POINTER(f32), gauge_push_free=c.POINTER(c.c_uint8), strengths=c.POINTER(f32),
                    top=c.POINTER(Candidate), prompt_log_probs=c.POINTER(f32), bytes=View, text=View)
StepFn = c.CFUNCTYPE(i32, ptr, c.POINTER(StepStruct))
ObserveFn = c.CFUNCTYPE(i32, ptr, i32, i32, c.POINTER(f32), size_t, size_t)

# ---- functions -------------------------------------------------------------------------------------------------------

P = c.POINTER
err, out = P(Error), P(ptr)
FUNCTIONS = {  # name: (result, arguments); the unstable section only where the library has it
    "steer_version": (u32, []),
    "steer_build_info": (text, []),
    "steer_status_name": (text, [i32]),
    "steer_log_set": (None, [LogFn, ptr, i32]),
    "steer_threads_set": (i32, [i32, i32, err]),
    "steer_model_options_init": (None, [P(ModelOptions), size_t]),
    "steer_model_load": (i32, [text, P(ModelOptions), out, err]),
    "steer_model_free": (None, [ptr]),
    "steer_model_get_info": (i32, [ptr, P(ModelInfo), size_t, err]),
    "steer_model_get_text": (i32, [ptr, i32, ptr, size_t, P(size_t), err]),
    "steer_model_set_residency": (i32, [ptr, i32, ProgressFn, ptr, err]),
    "steer_model_export": (i32, [ptr, text, ProgressFn, ptr, err]),
    "steer_text_encode": (i32, [ptr, ptr, size_t, u32, P(i32), size_t, P(size_t), err]),
    "steer_text_decode": (i32, [ptr, P(i32), size_t, u32, ptr, size_t, P(size_t), err]),
    "steer_chat_init": (None, [P(Chat), size_t]),
    "steer_chat_format": (i32, [ptr, P(Chat), ptr, size_t, P(size_t), err]),
    "steer_chat_encode": (i32, [ptr, P(Chat), ptr, P(i32), P(c.c_uint8), size_t, P(size_t), err]),
    "steer_vector_options_init": (None, [P(VectorOptions), size_t]),
    "steer_vector_create": (i32, [P(f32), size_t, size_t, P(VectorOptions), out, err]),
    "steer_vector_load": (i32, [text, P(VectorOptions), out, err]),
    "steer_vector_save": (i32, [ptr, text, i32, err]),
    "steer_vector_combine": (i32, [P(ptr), P(f32), size_t, f32, out, err]),
    "steer_extract_options_init": (None, [P(ExtractOptions), size_t]),
    "steer_vector_extract": (i32, [ptr, P(ContrastPair), size_t, P(ExtractOptions), out, err]),
    "steer_vector_calibrate": (i32, [ptr, ptr, P(ContrastPair), size_t, P(ExtractOptions), out, err]),
    "steer_vector_get_info": (i32, [ptr, P(VectorInfo), size_t, err]),
    "steer_vector_get_layer": (i32, [ptr, i32, i32, P(VectorLayer), size_t, err]),
    "steer_vector_get_metadata": (i32, [ptr, ptr, size_t, P(size_t), err]),
    "steer_vector_free": (None, [ptr]),
    "steer_session_options_init": (None, [P(SessionOptions), size_t]),
    "steer_session_create": (i32, [ptr, P(SessionOptions), out, err]),
    "steer_session_free": (None, [ptr]),
    "steer_session_fork": (i32, [ptr, out, err]),
    "steer_session_get_info": (i32, [ptr, P(SessionInfo), size_t, err]),
    "steer_session_get_tokens": (i32, [ptr, P(i32), P(c.c_uint8), size_t, P(size_t), err]),
    "steer_session_set_tokens": (i32, [ptr, i32, P(i32), P(c.c_uint8), size_t, P(u32), err]),
    "steer_session_refresh": (i32, [ptr, i32, err]),
    "steer_injection_options_init": (None, [P(InjectionOptions), size_t]),
    "steer_injection_add": (i32, [ptr, P(InjectionOptions), P(u32), err]),
    "steer_injection_set": (i32, [ptr, u32, f32, i32]),
    "steer_injection_remove": (i32, [ptr, u32, err]),
    "steer_gauge_options_init": (None, [P(GaugeOptions), size_t]),
    "steer_gauge_add": (i32, [ptr, P(GaugeOptions), P(u32), err]),
    "steer_gauge_remove": (i32, [ptr, u32, err]),
    "steer_generation_options_init": (None, [P(GenerationOptions), size_t, ptr]),
    "steer_session_set_generation": (i32, [ptr, P(GenerationOptions), err]),
    "steer_session_step": (i32, [ptr, P(StepStruct), size_t, err]),
    "steer_session_step_many": (i32, [P(ptr), size_t, P(StepStruct), size_t, err]),
    "steer_session_generate": (i32, [ptr, StepFn, ptr, err]),
    "steer_session_cancel": (None, [ptr, u32]),
    "steer_session_state_save": (i32, [ptr, u32, ptr, size_t, P(size_t), err]),
    "steer_session_state_load": (i32, [ptr, ptr, size_t, err]),
    "steer_adapter_load": (i32, [ptr, text, out, err]),
    "steer_adapter_free": (None, [ptr]),
    "steer_session_set_adapters": (i32, [ptr, P(ptr), P(f32), size_t, err]),
    "steer_session_observe": (i32, [ptr, P(i32), size_t, ObserveFn, ptr, err]),
}
UNSTABLE = {"steer_adapter_load", "steer_adapter_free", "steer_session_set_adapters", "steer_session_observe"}


def find_library():
    """The path of libsteer.so, or None."""
    if named := os.environ.get("STEER_LIBRARY"):
        return named
    built = glob.glob(str(REPOSITORY / "build" / "*" / "lib" / "libsteer.so"))
    whole = [path for path in built if os.path.exists(path.replace("libsteer.so", "libsteer_torch.so"))]
    return max(whole or built, key=os.path.getmtime, default=None)


def open_library(path):
    library = c.CDLL(path)
    for name, (result, arguments) in FUNCTIONS.items():
        if name in UNSTABLE and not hasattr(library, name):
            continue
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_library = None


def lib():
    """The library, opened at the first use. Raises FileNotFoundError where there is none."""
    global _library
    if _library is None:
        path = find_library()
        if path is None:
            raise FileNotFoundError("no libsteer.so: set STEER_LIBRARY or build one in build/*/lib")
        _library = open_library(path)
    return _library


# ---- the layer for tests --------------------------------------------------------------------------------------------


class SteerError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status_name(status)}: {message}")
        self.status, self.message = status, message


def status_name(status):
    return lib().steer_status_name(status).decode()


def check(status, error):
    if status != OK:
        raise SteerError(status, error.message.decode("utf-8", "replace"))


def call(name, *arguments):
    """Calls a function that returns a status and takes a steer_error last."""
    error = Error()
    check(getattr(lib(), name)(*arguments, c.byref(error)), error)


def options(kind, init, changes, *more):
    """An options struct as its init function makes it, with fields changed."""
    made = kind()
    getattr(lib(), init)(c.byref(made), c.sizeof(made), *more)
    known = {name for name, _ in kind._fields_}
    for name, value in changes.items():
        if name not in known:
            raise TypeError(f"{kind.__name__} has no field {name}")
        setattr(made, name, value)
    return made


def make(name, *arguments):
    """Calls a function whose out parameter, a handle, comes right before the error."""
    handle = ptr()
    call(name, *arguments, c.byref(handle))
    return handle


def array(kind, values):
    """A C array of values, or NULL for None. It must be kept while C uses it."""
    return None if values is None else (kind * len(values))(*values)


def floats(values):
    """A C array of float32 from a numpy array or a list, without a loop over it."""
    import numpy

    flat = numpy.ascontiguousarray(values, dtype=numpy.float32).ravel()
    made = (f32 * flat.size)()
    c.memmove(made, flat.ctypes.data, flat.nbytes)
    return made


def view(data, keep):
    """A steer_view of str or bytes; None is absent. What it points to is added to keep."""
    if data is None:
        return View(None, 0)
    raw = c.create_string_buffer(data.encode() if isinstance(data, str) else bytes(data))
    keep.append(raw)
    return View(c.cast(raw, ptr), len(raw) - 1)


def view_bytes(v):
    return c.string_at(v.data, v.size) if v.size else b""


def fetch(name, kind, *arguments):
    """The two calls for a buffer: its size, then its contents."""
    size = size_t()
    call(name, *arguments, None, 0, c.byref(size))
    buffer = (kind * size.value)()
    call(name, *arguments, buffer, size.value, c.byref(size))
    return buffer[: size.value]


def get_struct(name, kind, *arguments):
    made = kind()
    call(name, *arguments, c.byref(made), c.sizeof(made))
    return made


class Handle:
    """Owns a C handle; freed with close, with `with`, or when collected."""

    free = None

    def __init__(self, handle):
        self.handle = handle

    def close(self):
        if self.handle:
            getattr(lib(), self.free)(self.handle)
            self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "handle", None) and _library is not None:
            self.close()


class Model(Handle):
    free = "steer_model_free"

    def __init__(self, folder, device="cpu", **changes):
        if device is not None:
            changes["device"] = device.encode()
        chosen = options(ModelOptions, "steer_model_options_init", changes)
        super().__init__(make("steer_model_load", os.fsencode(folder), c.byref(chosen)))

    @property
    def info(self):
        return get_struct("steer_model_get_info", ModelInfo, self.handle)

    def get_text(self, what):
        return bytes(fetch("steer_model_get_text", c.c_uint8, self.handle, what)).decode()

    def set_residency(self, residency, progress=None):
        call("steer_model_set_residency", self.handle, residency, progress or ProgressFn(), None)

    def export(self, folder):
        call("steer_model_export", self.handle, os.fsencode(folder), ProgressFn(), None)

    def encode(self, string, flags=0):
        raw = string.encode() if isinstance(string, str) else string
        return fetch("steer_text_encode", i32, self.handle, raw, len(raw), flags)

    def decode(self, ids, flags=0):
        return bytes(fetch("steer_text_decode", c.c_uint8, self.handle, array(i32, ids), len(ids), flags))

    def chat(self, messages, flags=CHAT_OPEN_REPLY, tools=None, variables=None, template_text=None):
        """A steer_chat; messages are (role, content) or (role, content, extra). Keeps its own memory alive."""
        keep = []
        made = options(Chat, "steer_chat_init", {"flags": flags})
        rows = [ChatMessage(*(view(part, keep) for part in (*message, None)[:3])) for message in messages]
        made.messages, made.message_count = array(ChatMessage, rows), len(rows)
        made.tools, made.variables = view(tools, keep), view(variables, keep)
        made.template_text = view(template_text, keep)
        made.keep = keep
        return made

    def chat_format(self, messages, **how):
        return bytes(fetch("steer_chat_format", c.c_uint8, self.handle, c.byref(self.chat(messages, **how)))).decode()

    def chat_encode(self, messages, prefer=None, **how):
        """Ids and marks."""
        chat, session = self.chat(messages, **how), prefer.handle if prefer else None
        count = size_t()
        call("steer_chat_encode", self.handle, c.byref(chat), session, None, None, 0, c.byref(count))
        ids, marks = (i32 * count.value)(), (c.c_uint8 * count.value)()
        call("steer_chat_encode", self.handle, c.byref(chat), session, ids, marks, count.value, c.byref(count))
        return ids[: count.value], marks[: count.value]

    def session(self, **changes):
        return Session(self, **changes)


class Vector(Handle):
    free = "steer_vector_free"

    @staticmethod
    def _options(changes):
        changes = dict(changes)
        if model := changes.get("model"):
            changes["model"] = model.handle
        if name := changes.get("name"):
            changes["name"] = name.encode()
        data = changes.pop("data", None)
        made = options(VectorOptions, "steer_vector_options_init", changes)
        if data is not None:
            made.keep = c.create_string_buffer(data, len(data))
            made.data, made.data_size = c.cast(made.keep, ptr), len(data)
        return made

    @classmethod
    def create(cls, rows, **changes):
        """rows [layers, hidden size]"""
        chosen = cls._options(changes)
        return cls(make("steer_vector_create", floats(rows), len(rows), len(rows[0]), c.byref(chosen)))

    @classmethod
    def load(cls, path, **changes):
        chosen = cls._options(changes)
        return cls(make("steer_vector_load", os.fsencode(path), c.byref(chosen)))

    @classmethod
    def combine(cls, vectors, weights, norm=0.0):
        handles = array(ptr, [v.handle for v in vectors])
        return cls(make("steer_vector_combine", handles, floats(weights), len(vectors), norm))

    @staticmethod
    def _pairs(pairs, keep):
        """pairs: (positive, negative, group); a passage is (system, prompt, reply)."""
        rows = []
        for positive, negative, group in pairs:
            sides = [Passage(*(view(part, keep) for part in passage)) for passage in (positive, negative)]
            rows.append(ContrastPair(*sides, group))
        return array(ContrastPair, rows)

    @classmethod
    def extract(cls, model, pairs, name=None, **changes):
        keep = []
        chosen = options(ExtractOptions, "steer_extract_options_init",
                         {**changes, "name": name.encode() if name else None})
        return cls(make("steer_vector_extract", model.handle, cls._pairs(pairs, keep), len(pairs), c.byref(chosen)))

    def calibrate(self, model, pairs, **changes):
        keep = []
        chosen = options(ExtractOptions, "steer_extract_options_init", changes)
        return Vector(make("steer_vector_calibrate", model.handle, self.handle, self._pairs(pairs, keep), len(pairs),
                           c.byref(chosen)))

    def save(self, path, format=FORMAT_NATIVE):
        call("steer_vector_save", self.handle, os.fsencode(path), format)

    @property
    def info(self):
        return get_struct("steer_vector_get_info", VectorInfo, self.handle)

    def layer(self, layer, rows=ROWS_WRITE):
        return get_struct("steer_vector_get_layer", VectorLayer, self.handle, layer, rows)

    @property
    def metadata(self):
        return json.loads(bytes(fetch("steer_vector_get_metadata", c.c_uint8, self.handle)).decode())

    def row(self, layer, rows=ROWS_WRITE):
        """The row as a list of floats, None where there is none."""
        found = self.layer(layer, rows).row
        return found[: self.info.hidden_size] if found else None


@dataclass
class Step:
    """A steer_step, copied, so that it outlives the next call."""

    status: int
    finish: int
    flags: int
    turn: int
    position: int
    token: int
    log_prob: float
    entropy: float
    kl: float
    kl_share: float
    twin_log_prob: float
    pending_count: int
    milliseconds: float
    gauges: list = field(default_factory=list)
    push_free: list = field(default_factory=list)
    strengths: list = field(default_factory=list)
    top: list = field(default_factory=list)
    prompt_log_probs: list = field(default_factory=list)
    prompt_top: list = field(default_factory=list)
    bytes: bytes = b""
    text: str = ""

    @property
    def is_prompt(self):
        return bool(self.flags & STEP_PROMPT)

    @classmethod
    def copy(cls, s):
        def candidates(row):
            return [(s.top[i].token, s.top[i].log_prob) for i in range(row * s.top_count, (row + 1) * s.top_count)]

        is_prompt = bool(s.flags & STEP_PROMPT)
        return cls(
            s.status, s.finish, s.flags, s.turn, s.position, s.token, s.log_prob, s.entropy, s.kl, s.kl_share,
            s.twin_log_prob, s.pending_count,
            s.milliseconds, gauges=s.gauges[: s.gauge_count], push_free=s.gauge_push_free[: s.gauge_count],
            strengths=s.strengths[: s.strength_count], top=[] if is_prompt else candidates(0),
            prompt_log_probs=s.prompt_log_probs[: s.prompt_count],
            prompt_top=[candidates(row) for row in range(s.prompt_count)] if is_prompt else [],
            bytes=view_bytes(s.bytes), text=view_bytes(s.text).decode())


def slot(handle_id):
    """Where an injection or gauge stands in Step.strengths and Step.gauges."""
    return handle_id & 0xFF


class Session(Handle):
    free = "steer_session_free"

    def __init__(self, model, handle=None, **changes):
        self.model = model
        if handle is None:
            chosen = options(SessionOptions, "steer_session_options_init", changes)
            handle = make("steer_session_create", model.handle, c.byref(chosen))
        super().__init__(handle)

    def fork(self):
        return Session(self.model, make("steer_session_fork", self.handle))

    @property
    def info(self):
        return get_struct("steer_session_get_info", SessionInfo, self.handle)

    @property
    def tokens(self):
        return self.tokens_and_marks()[0]

    def tokens_and_marks(self):
        count = size_t()
        call("steer_session_get_tokens", self.handle, None, None, 0, c.byref(count))
        ids, marks = (i32 * count.value)(), (c.c_uint8 * count.value)()
        call("steer_session_get_tokens", self.handle, ids, marks, count.value, c.byref(count))
        return ids[: count.value], marks[: count.value]

    def set_tokens(self, ids, position=0, marks=None):
        """Gives the turn's number."""
        turn = u32()
        call("steer_session_set_tokens", self.handle, position, array(i32, ids), array(c.c_uint8, marks), len(ids),
             c.byref(turn))
        return turn.value

    def refresh(self, position):
        call("steer_session_refresh", self.handle, position)

    def inject(self, vector, strength, scales=None, conditions=None, **changes):
        chosen = options(InjectionOptions, "steer_injection_options_init", {"strength": strength, **changes})
        chosen.vector = vector.handle
        if scales is not None:
            chosen.layer_scales = floats(scales)
        if conditions:
            chosen.conditions, chosen.condition_count = array(Condition, conditions), len(conditions)
        made = u32()
        call("steer_injection_add", self.handle, c.byref(chosen), c.byref(made))
        return made.value

    def set_strength(self, injection, value, ramp_tokens=0):
        status = lib().steer_injection_set(self.handle, injection, value, ramp_tokens)
        check(status, Error())

    def remove_injection(self, injection):
        call("steer_injection_remove", self.handle, injection)

    def gauge(self, vector, layer=None, **changes):
        if layer is not None:
            changes["layer_begin"], changes["layer_end"] = layer, layer + 1
        chosen = options(GaugeOptions, "steer_gauge_options_init", changes)
        chosen.vector = vector.handle
        made = u32()
        call("steer_gauge_add", self.handle, c.byref(chosen), c.byref(made))
        return made.value

    def remove_gauge(self, gauge):
        call("steer_gauge_remove", self.handle, gauge)

    def set_generation(self, stop_texts=None, stop_tokens=None, biases=None, constraint_text=None, defaults=True,
                       **changes):
        """defaults: those of the model's generation_config, else plain sampling. biases: {token: bias}."""
        keep = []
        chosen = options(GenerationOptions, "steer_generation_options_init", changes,
                         self.model.handle if defaults else None)
        if stop_texts is not None:
            chosen.stop_texts = array(View, [view(text, keep) for text in stop_texts])
            chosen.stop_text_count = len(stop_texts)
        if stop_tokens is not None:
            chosen.stop_tokens = (i32 * max(1, len(stop_tokens)))(*stop_tokens)  # not NULL: none, not the model's
            chosen.stop_token_count = len(stop_tokens)
        if biases is not None:
            chosen.biases = array(LogitBias, [LogitBias(token, bias) for token, bias in biases.items()])
            chosen.bias_count = len(biases)
        if constraint_text is not None:
            chosen.constraint_text = view(constraint_text, keep)
        call("steer_session_set_generation", self.handle, c.byref(chosen))

    def step(self):
        made = StepStruct()
        call("steer_session_step", self.handle, c.byref(made), c.sizeof(made))
        return Step.copy(made)

    def generate(self):
        """Steps until the turn ends; gives those with a token or a finish."""
        while True:
            step = self.step()
            if not step.is_prompt or step.finish:
                yield step
            if step.finish:
                return

    def generate_pushed(self, fn=lambda step: 0):
        """The same through steer_session_generate and its callback; gives all steps."""
        steps = []

        def on_step(_, step):
            steps.append(Step.copy(step.contents))
            return fn(steps[-1]) or 0

        callback = StepFn(on_step)
        call("steer_session_generate", self.handle, callback, None)
        return steps

    def cancel(self, turn=0):
        lib().steer_session_cancel(self.handle, turn)

    def save_state(self, flags=0):
        return bytes(fetch("steer_session_state_save", c.c_uint8, self.handle, flags))

    def load_state(self, data):
        call("steer_session_state_load", self.handle, data, len(data))


def step_many(sessions):
    """One step of each session, in one forward. A row's own failure is in its status."""
    outs = (StepStruct * len(sessions))()
    call("steer_session_step_many", array(ptr, [s.handle for s in sessions]), len(sessions), outs, c.sizeof(StepStruct))
    return [Step.copy(step) for step in outs]


def set_log(fn, level=LOG_WARN):
    """fn(level, text), or None. Gives an object to keep as long as the log is wanted."""
    callback = LogFn(lambda _, lvl, data, size: fn(lvl, c.string_at(data, size).decode())) if fn else LogFn()
    lib().steer_log_set(callback, None, level)
    return callback


def is_nan(value):
    return math.isnan(value)
