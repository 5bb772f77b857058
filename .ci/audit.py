"""Audits a lock for known vulnerabilities, where their database can be reached.

The status is 0 where there are none or the database cannot be reached, 1 where there are some, 2 where the lock
cannot be audited. It asks osv.dev: asked about a package that an index does not describe, as many mirrors do not
describe any, pip-audit would skip the package and find no vulnerability.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

_SECONDS_PER_ANSWER = "10"


def main(arguments: list[str] | None = None) -> int:
    """Audits and prints what came out."""
    parser = argparse.ArgumentParser(prog="python .ci/audit.py", description="Audit a lock for known vulnerabilities.")
    parser.add_argument("lock", help="exact versions with hashes")
    parser.add_argument("--osv-url", help="another database than osv.dev")
    parser.add_argument("--seconds", type=float, default=180, help="for all answers together")
    options = parser.parse_args(arguments)
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", options.lock]
    command += ["--format", "json", "--progress-spinner", "off"]
    readable = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=False)
    if readable.returncode != 0:
        return _report(f"expected a lock that pip-audit can read\n{readable.stderr.strip()}", 2)
    command += ["--vulnerability-service", "osv", "--timeout", _SECONDS_PER_ANSWER]
    command += ["--osv-url", options.osv_url] if options.osv_url else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=options.seconds)
    except subprocess.TimeoutExpired:
        return _report(f"not audited: the database of vulnerabilities took more than {options.seconds:g} s", 0)
    # The lock is in order, so whatever went wrong is the database or the way to it.
    if not done.stdout.strip():
        cause = (done.stderr.strip().splitlines() or ["no answer"])[-1].partition(": ")[0]
        return _report(f"not audited: the database of vulnerabilities cannot be reached ({cause})", 0)
    return _judge(json.loads(done.stdout)["dependencies"])


def _judge(dependencies: list[dict[str, Any]]) -> int:
    skipped = [f"{each['name']} ({each['skip_reason']})" for each in dependencies if "skip_reason" in each]
    found = [each for each in dependencies if each.get("vulns")]
    for each in found:
        for vulnerability in each["vulns"]:
            mended = ", ".join(vulnerability["fix_versions"]) or "none"
            print(f"{each['name']} {each['version']}: {vulnerability['id']}, mended in: {mended}", file=sys.stderr)
    if found:
        return _report(f"expected no known vulnerability, found some in {len(found)} dependencies", 1)
    if skipped:
        return _report(f"expected to audit every dependency, skipped {', '.join(skipped)}", 2)
    return _report(f"no known vulnerability in {len(dependencies)} dependencies", 0)


def _report(message: str, status: int) -> int:
    print(f"audit: {message}", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
