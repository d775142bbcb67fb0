#!/usr/bin/env python3
"""Compiles the policies of DIR, shows what is wrong with broken ones, and decides four requests."""
import json
import pathlib
import sys

import kerf

directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "..")


def load(policies):
    return [(kind, name, (directory / name).read_bytes())
            for kind, name in [(kerf.POLICIES, policies), (kerf.SCHEMA, "sandbox.cedarschema"), (kerf.ENTITIES, "entities.json")]]


bundle = kerf.compile(load("policies.cedar"))
print("compiled:", *bundle)
try:
    kerf.check(load("broken.cedar"))
except kerf.Error as error:
    print("broken:", "invalid" if error.status == kerf.INVALID else error)
    for diagnostic in error.diagnostics:
        print(json.dumps(diagnostic))

gateway = kerf.Gateway(bundle["table.json"], bundle["entities.json"])
for agent, action, approved in [("a1", "read", False), ("a1", "read", True), ("a2", "close", False), ("a1", "close", True)]:
    allowed, policies = gateway.decide({"principal": {"type": "Agent", "id": agent}, "action": f'Action::"{action}"',
                                        "resource": 'Ticket::"t1"', "context": {"approved": approved}})
    print(f"{agent} {action} t1{', approved' if approved else ''}: {'allow' if allowed else 'deny'} ({' '.join(policies)})")
