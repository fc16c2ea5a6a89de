# The simulation of direct mode and driver mode. Sourced by run.

# run_simulate [--seeds N] [--seed S] [--mode direct|driver|both] [--steps N] [--jobs N] [--trace] [--probes]:
# docs/internals/simulation.md.
run_simulate() {
  program tp_simulate
  exec "$root/build/release/bin/tp_simulate" "$@"
}
