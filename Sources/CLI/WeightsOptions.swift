import ArgumentParser

/// The option of every command that reads weights.
struct WeightsOptions: ParsableArguments {
  @Option(
    name: .long,
    help:
      "Which of several sets of weights in a file to take, such as params_ema; by default the trained ones."
  )
  var paramKey: String?
}
