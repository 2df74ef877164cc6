import Dispatch

/// What the tuner found for one operator and rectangle.
public struct TuningFinding: Sendable {
  /// Operator and rectangle.
  public let key: TuningKey
  /// The best numbers; none where the defaults are best.
  public let settings: TunedSettings
  /// Seconds of everything tried; the defaults are no numbers.
  public let seconds: [TunedSettings: Double]

  /// The share of the defaults' time that the best numbers save.
  public var gain: Double {
    guard let before = seconds[[:]], let after = seconds[settings] else { return 0 }
    return 1 - after / before
  }
}

/// Tries the numbers that operators leave open on the device at hand.
public struct OperatorTuner {
  private let backend: OpenCLBackend
  private let rounds: Int
  /// What a choice must save to be taken: less is noise.
  private static let leastGain = 0.03

  /// Tries everything `rounds` times on `backend`; the quickest run counts.
  public init(on backend: OpenCLBackend, rounds: Int) {
    (self.backend, self.rounds) = (backend, rounds)
  }

  /// Tries every distinct operator application among `nodes` that leaves numbers open, those within composites too.
  /// - Throws: the backend's error; numbers that the driver refuses are passed over.
  public func tune(_ nodes: [Node], report: (TuningFinding) -> Void) throws -> TunedParameters {
    var result = TunedParameters()
    for application in OpApplication.tunable(in: nodes, on: backend) {
      let finding = try find(application, beside: result)
      result.choose(finding.settings, for: finding.key)
      report(finding)
    }
    return result
  }

  /// Tries everything for one application, with what was `chosen` for the steps that it may have.
  private func find(
    _ application: OpApplication, beside chosen: TunedParameters
  ) throws -> TuningFinding {
    let key = application.key
    let run = try OperatorRun(application.op, application.inputs, on: backend)
    func trial(_ settings: TunedSettings) throws -> Trial {
      var tuning = chosen
      tuning.choose(settings, for: key)
      return Trial(settings: settings, steps: try run.bind(on: backend.tuned(by: tuning)))
    }
    var trials = [try trial([:])]
    for settings in application.candidates(on: backend)
    where !backend.configuration.has(settings) {
      // What the driver cannot build is not an error of the tuner.
      if let trial = try? trial(settings) { trials.append(trial) }
    }
    // All take turns, so that whatever else the machine does strikes all alike; the first round compiles.
    for round in 0...rounds {
      // What is far behind will not catch up; the defaults stay to be compared with.
      let limit = round > 1 ? 1.3 * (trials.map(\.seconds).min() ?? .infinity) : .infinity
      for index in trials.indices where index == 0 || trials[index].seconds <= limit {
        try time(&trials[index], counts: round > 0)
      }
    }
    let timed = Dictionary(uniqueKeysWithValues: trials.map { ($0.settings, $0.seconds) })
    let best = trials.min { $0.seconds < $1.seconds }?.settings ?? [:]
    let found = TuningFinding(key: key, settings: best, seconds: timed)
    return found.gain < Self.leastGain
      ? TuningFinding(key: key, settings: [:], seconds: timed) : found
  }

  private struct Trial {
    let settings: TunedSettings
    let steps: [OpenCLBackend.Step]
    var seconds = Double.infinity
  }

  /// Runs a trial twice: the first run finds the caches as the trial before left them.
  private func time(_ trial: inout Trial, counts: Bool) throws {
    for isWarm in [false, true] {
      let start = DispatchTime.now().uptimeNanoseconds
      try backend.run(trial.steps)
      try backend.synchronize()
      let taken = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
      if isWarm && counts { trial.seconds = min(trial.seconds, taken) }
    }
  }
}
