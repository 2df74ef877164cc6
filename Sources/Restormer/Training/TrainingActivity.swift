/// What a run does when it makes no steps.
public enum TrainingActivity: Sendable, Hashable, CustomStringConvertible {
  /// Finds the images and looks at them.
  case readingData
  /// Lays out the memory of a step.
  case planning
  /// Opens the run's folder and reads its newest state.
  case readingState
  /// Fills the device's memory.
  case preparingDevice
  /// Opens what the run writes besides weights.
  case openingRecords
  /// Makes the device's programs for the operators of a step: so many of all.
  case compiling(done: Int, of: Int)
  /// Makes the first step; a driver may compile once more for it.
  case firstStep
  /// Restores the validation images.
  case validating

  public var description: String {
    switch self {
    case .readingData: "reading data"
    case .planning: "planning memory"
    case .readingState: "reading the run's folder"
    case .preparingDevice: "preparing the device"
    case .openingRecords: "opening the records"
    case .compiling(let done, let count): "compiling \(done) of \(count) programs"
    case .firstStep: "first step"
    case .validating: "validating"
    }
  }
}
