#!/usr/bin/env bash
# What a pull request that came to its end means for the rollout it is about:
# merged promotes it past its pause, closed takes it back.
#
#   decide.sh merged|closed [NAME] [FLAG...]     flags of haldane promote, abort
#
# It waits for the rollout's end and ends with its exit code: 0 promoted, 3 rolled
# back. A candidate that is worse is taken back although somebody merged: a
# promotion ends the pause and skips no comparison.
set -euo pipefail
what=$1
shift
case $what in
merged) verb=promote ;;
closed) verb=abort ;;
*)
	echo "decide.sh: $what: want merged or closed" >&2
	exit 2
	;;
esac
exec haldane "$verb" --wait --timeout "${TIMEOUT:-2h}" --reason "${REASON:-the pull request was $what}" "$@"
