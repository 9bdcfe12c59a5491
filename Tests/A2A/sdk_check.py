"""Talks to one running agent with the protocol's own client, in both versions, and says what does not match.

    sdk_check.py URL REPLY      REPLY is what the agent answers to "hello from the sdk"
"""

import asyncio
import importlib.metadata
import sys

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import parse_agent_card
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import a2a_pb2 as a2a
from a2a.utils.errors import UnsupportedOperationError

MESSAGE = "hello from the sdk"
CONTEXT = "context-of-the-check"
CARD_PATHS = ["/.well-known/agent-card.json", "/.well-known/agent.json"]
# Each version sees only its own keys of the card: what is left must be enough to find the agent.
LEGACY_KEYS = ["url", "preferredTransport", "protocolVersion", "additionalInterfaces"]

problems = []


def check(name, holds, detail=""):
    print(f"{'ok  ' if holds else 'FAIL'} {name}{'' if holds else f': {detail}'}")
    if not holds:
        problems.append(name)


def card_for(version, card):
    card = dict(card)
    if version == "0.3":
        card.pop("supportedInterfaces")
    else:
        for key in LEGACY_KEYS:
            card.pop(key)
        card["supportedInterfaces"] = [i for i in card["supportedInterfaces"] if i["protocolVersion"] == version]
    return parse_agent_card(card)


def request():
    message = new_text_message(MESSAGE, context_id=CONTEXT, role=a2a.Role.ROLE_USER)
    return a2a.SendMessageRequest(message=message)


def text_of(events):
    """The reply, whether it came as one message or as the pieces of a task's artifact."""
    pieces = []
    for event in events:
        if event.HasField("message"):
            pieces.append(get_message_text(event.message))
        elif event.HasField("artifact_update"):
            pieces.append(get_artifact_text(event.artifact_update.artifact))
    return "".join(pieces)


def contexts_of(events):
    return {getattr(event, event.WhichOneof("payload")).context_id for event in events}


async def exchange(name, card, streaming, reply):
    async with ClientFactory(ClientConfig(streaming=streaming)).create(card) as client:
        events = [event async for event in client.send_message(request())]
    kinds = [event.WhichOneof("payload") for event in events]
    check(f"{name}: the reply is whole", text_of(events) == reply, repr(text_of(events)))
    check(f"{name}: every event keeps the context", contexts_of(events) == {CONTEXT}, contexts_of(events))
    if kinds != ["message"]:
        check(f"{name}: a task comes first", streaming and kinds[0] == "task", kinds)
        ends = [e.status_update.status.state for e in events if e.HasField("status_update")]
        check(f"{name}: a status ends it", kinds[-1] == "status_update" and ends == [a2a.TaskState.TASK_STATE_COMPLETED], kinds)


async def unsupported(version, card):
    """An operation the agent does not have must be an error the client understands."""
    async with ClientFactory(ClientConfig()).create(card) as client:
        try:
            await client.get_task(a2a.GetTaskRequest(id="nothing"))
            check(f"{version} get task: refused", False, "it was answered")
        except Exception as error:  # the class depends on the version
            expected = UnsupportedOperationError if version == "1.0" else Exception
            check(f"{version} get task: refused", isinstance(error, expected), repr(error))


async def main(url, reply):
    print(f"a2a-sdk {importlib.metadata.version('a2a-sdk')}, httpx {httpx.__version__}, {url}")
    async with httpx.AsyncClient() as http:
        cards = [(await http.get(url.rstrip("/") + path)).raise_for_status().json() for path in CARD_PATHS]
    check("both card addresses give the same card", cards[0] == cards[1])
    for version in ["0.3", "1.0"]:
        card = card_for(version, cards[0])
        check(f"{version} card: names the agent and its interface", bool(card.name and card.supported_interfaces))
        await exchange(f"{version} send", card, False, reply)
        await exchange(f"{version} stream", card, True, reply)
        await unsupported(version, card)
    # A card with both sets of keys must lead this client to the newer version.
    await exchange("whole card, stream", parse_agent_card(dict(cards[0])), True, reply)
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), timeout=60)))
