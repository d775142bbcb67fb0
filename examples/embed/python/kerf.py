"""libkerf through ctypes: what a program needs to compile policies and to decide. No package, one file."""
import ctypes
import json
import os

OK, INVALID = 0, 1
POLICIES, SCHEMA, ENTITIES, LINKS = 1, 2, 3, 4


class Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]

    def __bytes__(self):
        return ctypes.string_at(self.data_address(), self.size)

    def data_address(self):
        return ctypes.cast(ctypes.byref(self), ctypes.POINTER(ctypes.c_void_p))[0]


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return Text(data, len(data))


_lib = ctypes.CDLL(os.environ.get("LIBKERF", "libkerf.so.0"))
_handle, _out, _index = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t
for _name, _result, _arguments in [
    ("kerf_version", ctypes.c_char_p, []),
    ("kerf_sources_new", ctypes.c_int32, [_out]),
    ("kerf_sources_add", ctypes.c_int32, [_handle, ctypes.c_int32, ctypes.c_int32, Text, Text]),
    ("kerf_sources_free", None, [_handle]),
    ("kerf_check", ctypes.c_int32, [_handle, _handle, _out]),
    ("kerf_compile", ctypes.c_int32, [_handle, _handle, _out]),
    ("kerf_result_message", Text, [_handle]),
    ("kerf_result_diagnostics", Text, [_handle]),
    ("kerf_result_count", _index, [_handle]),
    ("kerf_result_name", Text, [_handle, _index]),
    ("kerf_result_bytes", Text, [_handle, _index]),
    ("kerf_result_free", None, [_handle]),
    ("kerf_gateway_new", ctypes.c_int32, [Text, Text, _out, _out]),
    ("kerf_gateway_free", None, [_handle]),
    ("kerf_query_new", ctypes.c_int32, [_handle, _out]),
    ("kerf_query_decide_json", ctypes.c_int32, [_handle, Text, ctypes.POINTER(ctypes.c_int32)]),
    ("kerf_query_answer", _handle, [_handle]),
    ("kerf_query_message", Text, [_handle]),
    ("kerf_query_free", None, [_handle]),
    ("kerf_answer_determining_count", _index, [_handle]),
    ("kerf_answer_determining", Text, [_handle, _index]),
]:
    _function = getattr(_lib, _name)
    _function.restype, _function.argtypes = _result, _arguments


class Error(Exception):
    """`diagnostics` has one dict for each message of the compiler."""

    def __init__(self, status, message, diagnostics=()):
        super().__init__(message)
        self.status, self.diagnostics = status, list(diagnostics)


def _run(function, sources):
    handle, result = ctypes.c_void_p(), ctypes.c_void_p()
    if _lib.kerf_sources_new(ctypes.byref(handle)) != OK:
        raise MemoryError
    try:
        for kind, name, content in sources:
            status = _lib.kerf_sources_add(handle, kind, 0, text(name), text(content))
            if status != OK:
                raise Error(status, f"{name} cannot be added")
        status = function(handle, None, ctypes.byref(result))
        lines = bytes(_lib.kerf_result_diagnostics(result)).decode()
        if status != OK:
            raise Error(status, bytes(_lib.kerf_result_message(result)).decode(), map(json.loads, lines.splitlines()))
        return {bytes(_lib.kerf_result_name(result, i)).decode(): bytes(_lib.kerf_result_bytes(result, i))
                for i in range(_lib.kerf_result_count(result))}
    finally:
        _lib.kerf_result_free(result)
        _lib.kerf_sources_free(handle)


def check(sources):
    _run(_lib.kerf_check, sources)


def compile(sources):
    """Names and bytes of a bundle's files."""
    return _run(_lib.kerf_compile, sources)


class Gateway:
    """Decides. One thread at a time; give each thread its own."""

    def __init__(self, table, entities):
        gateway, self._query = ctypes.c_void_p(), ctypes.c_void_p()
        status = _lib.kerf_gateway_new(text(table), text(entities), ctypes.byref(gateway), None)
        if status == OK:
            status = _lib.kerf_query_new(gateway, ctypes.byref(self._query))
        _lib.kerf_gateway_free(gateway)
        if status != OK:
            raise Error(status, "no such table")

    def decide(self, request):
        """True if allowed, and the policies that determine it."""
        decision = ctypes.c_int32()
        status = _lib.kerf_query_decide_json(self._query, text(json.dumps(request)), ctypes.byref(decision))
        if status != OK:
            raise Error(status, bytes(_lib.kerf_query_message(self._query)).decode())
        answer = _lib.kerf_query_answer(self._query)
        return decision.value == 1, [bytes(_lib.kerf_answer_determining(answer, i)).decode()
                                     for i in range(_lib.kerf_answer_determining_count(answer))]

    def __del__(self):
        _lib.kerf_query_free(self._query)
