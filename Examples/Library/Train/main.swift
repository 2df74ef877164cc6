// Trains a tiny network on blurred twins of clean pages: train-example pages/ runs/
import Kernels
import Restormer

/// Trains on whichever device was opened: the compiler makes one of it for each kind of backend.
func train(
  _ options: TrainingOptions, in experiments: String, on backend: some Backend
) throws -> TrainingEnd {
  let trainer = try Trainer(options, experiments: experiments, on: backend) { event in
    guard case .step(let step) = event, step.step % 10 == 0 else { return }
    print("step \(step.step): L1 \(step.losses.l1)")
  }
  // Asked before every step; a run that is stopped goes on when it is started again.
  return try trainer.run { false }
}

let paths = CommandLine.arguments.dropFirst()
guard let pages = paths.first, let runs = paths.dropFirst().first else {
  fatalError("usage: train-example PAGES RUNS")
}
var options = TrainingOptions()
(options.name, options.model) = ("tiny", .tiny)
options.data = DataFolders(input: pages)
options.data.degradation = .document
options.stages = [.init(steps: 30, patch: 64, batch: 2)]
options.rate = LearningRate(base: 1e-3)
let device = try OpenedBackend.open("auto", for: .training) { print($0) }
print(try train(options, in: runs, on: device.backend))
