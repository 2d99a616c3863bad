#!/usr/bin/env bash
# One rollout as a job of any pipeline: it ends as the rollout does, with a JUnit
# report, and with one in Markdown for people.
#
#   rollout.sh FILE [FLAG...]     flags of haldane run
#
# Exit code 0 promoted, 3 rolled back, 4 held at its deadline undecided; else it
# failed. APPROVE=yes passes every pause that waits for somebody, in the name of
# the pipeline; without it they wait for decide.sh.
set -euo pipefail
file=$1
shift
out=${REPORTS:-reports}
mkdir -p "$out"
rm -f "$out/rollout.xml" "$out/rollout.md"

haldane run -f "$file" --report "$out/rollout.xml" --report "$out/rollout.md" "$@" &
run=$!
# A job that is cancelled ends the rollout in order: run again with the same
# state, it goes on. To take the candidate back instead, let the trap say
# haldane abort --reason "the job was cancelled".
trap 'kill -TERM "$run" 2>/dev/null || true' INT TERM

if [[ ${APPROVE:-no} == yes ]]; then
	while haldane wait --for=Paused >/dev/null 2>&1 && haldane promote --reason "approved by the pipeline"; do :; done &
fi

code=0
wait "$run" || code=$?
if [[ -f $out/rollout.md ]]; then cat "$out/rollout.md"; fi
exit "$code"
