"""What can go wrong, as exceptions that carry what the server said."""

from typing import Any

import grpc

from trimtab import contract

_DETAILS = "grpc-status-details-bin"  # Where gRPC sends google.rpc.Status.


class TrimtabError(Exception):
    """A call failed. The subclasses are the failures that callers tell apart."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        field: str = "",
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code  # Of gRPC, such as "INVALID_ARGUMENT".
        self.field = field  # Of the request, that is at fault: "steering.weights[1]"; empty where none is named.
        self.reason = reason  # For programs, such as "PARAMS_VERSION_UNAVAILABLE"; mostly empty.
        self.retry_after = retry_after  # Seconds after which the server says to try again; None: it does not say.


class InvalidRequest(TrimtabError):
    """The request is wrong, and `field` says where. Sending it again does not help."""


class NotAllowed(TrimtabError):
    """The bearer token is missing, unknown, or not of the role that the call needs."""


class Overloaded(TrimtabError):
    """The queue is full, and stayed so for all tries."""


class Unavailable(TrimtabError):
    """No server could be reached, or all are draining."""


class DeadlineExceeded(TrimtabError):
    """The timeout passed first."""


class VersionUnavailable(TrimtabError):
    """The parameter version that was asked for is not held, or has not arrived yet."""


_KINDS: dict[str, type[TrimtabError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "UNAUTHENTICATED": NotAllowed,
    "PERMISSION_DENIED": NotAllowed,
    "RESOURCE_EXHAUSTED": Overloaded,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "FAILED_PRECONDITION": VersionUnavailable,
}


def _details(error: Any) -> dict[str, Any]:
    """The google.rpc details of a failed call, by their short name."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS:
            break
    else:
        return {}
    found = {}
    for any_detail in contract.message("google.rpc.Status").FromString(value).details:
        name = any_detail.type_url.rpartition("/")[2]
        if name in ("google.rpc.BadRequest", "google.rpc.RetryInfo", "google.rpc.ErrorInfo"):
            found[name.rpartition(".")[2]] = contract.message(name).FromString(any_detail.value)
    return found


def seconds(duration: Any) -> float:
    """A google.protobuf.Duration as a number."""
    return float(duration.seconds + 1e-9 * duration.nanos)


def from_rpc(error: grpc.RpcError) -> TrimtabError:
    """The exception for a call of grpc or grpc.aio that failed."""
    call: Any = error
    code = call.code().name
    details = _details(call)
    message, field, reason, retry_after = call.details() or code, "", "", None
    if "BadRequest" in details and details["BadRequest"].field_violations:
        field = details["BadRequest"].field_violations[0].field
        if field not in message:
            message = f"{field}: {message}"
    if "ErrorInfo" in details:
        reason = details["ErrorInfo"].reason
    if "RetryInfo" in details:
        retry_after = seconds(details["RetryInfo"].retry_delay)
    kind = _KINDS.get(code, TrimtabError)
    return kind(message, code=code, field=field, reason=reason, retry_after=retry_after)
