# The simulation of direct mode. Sourced by run.

# run_simulate [--seeds N] [--seed S] [--steps N] [--trace] [--probes]: docs/internals/simulation.md.
run_simulate() {
  program tp_simulate
  exec "$root/build/release/bin/tp_simulate" "$@"
}
