import Foundation
import Restormer

/// All jobs, in memory alone: a queue for the device, results until they are forgotten, and the
/// news of both.
final class JobStore: @unchecked Sendable {
  private let options: ServeOptions
  private let lock = NSCondition()
  private var jobs: [String: Job] = [:]
  private var queue: [Job] = []
  private var bytes = 0
  private var version = 0
  /// The version at which the last job was dropped.
  private var lastDrop = 0
  private var isStopped = false
  private var finishedCounts: [Job.State: Int] = [:]
  private var deviceSeconds = 0.0

  init(_ options: ServeOptions) { self.options = options }

  // MARK: Room

  /// Takes room for bytes that arrive; `release` gives it back.
  /// - Throws: `HTTPFault` when there is none.
  func reserve(_ count: Int) throws {
    try lock.withLock {
      forgetOld()
      try checkRoom(forBytes: count)
      bytes += count
    }
  }

  private func checkRoom(forBytes count: Int) throws {
    guard bytes + count <= options.mostMemory else {
      throw HTTPFault(
        .serviceUnavailable, "uploads and results fill the memory set aside for them",
        retryAfter: 30)
    }
  }

  func release(_ count: Int) { lock.withLock { bytes -= count } }

  // MARK: Clients

  /// Queues a job whose source has been reserved already.
  /// - Throws: `HTTPFault` when there are too many.
  func submit(_ job: Job) throws -> JobStatus {
    try lock.withLock {
      forgetOld()
      try checkRoom()
      jobs[job.id] = job
      queue.append(job)
      changed(job)
      return status(job)
    }
  }

  /// - Throws: `HTTPFault` when no further job would be taken.
  func checkRoomForJob() throws {
    try lock.withLock {
      forgetOld()
      try checkRoom()
    }
  }

  /// - Throws: `HTTPFault` once the store is stopped.
  func checkIsOpen() throws { try lock.withLock { try checkStopped() } }

  private func checkStopped() throws {
    guard !isStopped else { throw HTTPFault(.serviceUnavailable, "the server is stopping") }
  }

  private func checkRoom() throws {
    try checkStopped()
    guard jobs.count < options.mostJobs else {
      throw HTTPFault(
        .tooManyRequests, "\(options.mostJobs) jobs are known already: fetch and delete some",
        retryAfter: 30)
    }
  }

  /// - Throws: `HTTPFault` where there is no such job.
  func status(_ id: String) throws -> JobStatus { try lock.withLock { status(try job(id)) } }

  /// The PNG of a job's upload, if it was kept.
  func picture(_ id: String) throws -> Data? { try lock.withLock { try job(id).picture } }

  /// Keeps a PNG of a job's upload as long as the job, so that many who ask for it hold it once.
  /// - Throws: `HTTPFault` when there is no room for it, or no such job.
  func keep(_ picture: Data, asPictureOf id: String) throws {
    try lock.withLock {
      let job = try job(id)
      try checkRoom(forBytes: picture.count)
      job.picture = picture
      bytes += picture.count
    }
  }

  /// The upload of a job.
  func source(_ id: String) throws -> (data: Data, format: ImageFormat, name: String) {
    try lock.withLock {
      let job = try job(id)
      return (job.source, job.header.format, job.name)
    }
  }

  /// The result of a job that is done.
  func result(_ id: String) throws -> (image: RestoredImage, name: String) {
    try lock.withLock {
      let job = try job(id)
      guard let result = job.result else {
        throw HTTPFault(.conflict, "the job is \(job.state.rawValue): there is no result")
      }
      return (result, job.resultName)
    }
  }

  /// The jobs of a batch in order of their arrival, and their results that are there.
  func batch(_ name: String) -> [JobStatus] { lock.withLock { members(name).map(status) } }

  func results(batch name: String) -> [(name: String, data: Data)] {
    lock.withLock {
      members(name).compactMap { job in job.result.map { (job.resultName, $0.data) } }
    }
  }

  /// Drops a job, its upload and its result. One that runs is given up at its next sign of
  /// progress.
  func forget(_ id: String) throws {
    try lock.withLock { remove(try job(id)) }
  }

  func forget(batch name: String) { lock.withLock { members(name).forEach(remove) } }

  /// Waits for news of jobs.
  /// - Parameters:
  ///   - version: what is known already.
  ///   - isWanted: which jobs matter, by id and batch.
  /// - Returns: their state where it changed since, in order, the version they are of, and whether
  ///   there will be more; empty after `seconds` without news, and when a job was dropped.
  func news(
    since version: Int, seconds: Double, of isWanted: (Job) -> Bool
  ) -> (changed: [JobStatus], version: Int, goesOn: Bool) {
    let end = Date(timeIntervalSinceNow: seconds)
    return lock.withLock {
      while true {
        let fresh = jobs.values.filter { $0.version > version && isWanted($0) }
          .sorted { $0.version < $1.version }
        if !fresh.isEmpty || lastDrop > version || isStopped || !lock.wait(until: end) {
          return (fresh.map(status), self.version, !isStopped)
        }
      }
    }
  }

  // MARK: The device

  /// The next job, which is then running; waits for one. Nil once the store is stopped.
  func next() -> Job? {
    lock.withLock {
      while !isStopped {
        forgetOld()
        if !queue.isEmpty {
          let job = queue.removeFirst()
          (job.state, job.started) = (.running, Date())
          changed(job)
          return job
        }
        _ = lock.wait(until: Date(timeIntervalSinceNow: 5))
      }
      return nil
    }
  }

  /// Notes how far a job is.
  /// - Throws: `JobEnded` when nobody wants it any more or its time is over.
  func advance(_ job: Job, to progress: Double) throws {
    try lock.withLock {
      guard job.state == .running, !isStopped else { throw JobEnded.unwanted }
      guard Date().timeIntervalSince(job.started ?? Date()) <= options.mostJobSeconds else {
        throw JobEnded.late
      }
      // Finer steps than this no eye sees.
      guard progress >= job.progress + 0.005 else { return }
      job.progress = progress
      changed(job)
    }
  }

  /// Notes the end of a job.
  func finish(_ job: Job, _ outcome: Result<RestoredImage, any Error>) {
    lock.withLock {
      job.finished = Date()
      deviceSeconds += Date().timeIntervalSince(job.started ?? Date())
      guard job.state == .running else { return }
      switch outcome {
      case .success(let result) where bytes + job.bytes(of: result) > options.mostMemory:
        end(job, .failed, "there is no memory left for its result: fetch and delete others")
      case .success(let result):
        bytes += job.bytes(of: result)
        (job.result, job.progress) = (result, 1)
        end(job, .done)
      case .failure(let error as JobEnded) where error == .late:
        end(job, .failed, "it took longer than \(Int(options.mostJobSeconds)) seconds")
      case .failure(let error): end(job, .failed, "\(error)")
      }
    }
  }

  private func end(_ job: Job, _ state: Job.State, _ fault: String? = nil) {
    (job.state, job.fault) = (state, fault)
    finishedCounts[state, default: 0] += 1
    changed(job)
  }

  /// Drops everything and lets everybody who waits go.
  func stop() {
    lock.withLock {
      isStopped = true
      jobs = [:]
      queue = []
      lock.broadcast()
    }
  }

  // MARK: Numbers

  /// What the store holds and has done.
  var numbers: Numbers {
    lock.withLock {
      Numbers(
        queued: queue.count, running: jobs.values.count { $0.state == .running },
        known: jobs.count, bytes: bytes, deviceSeconds: deviceSeconds, finished: finishedCounts)
    }
  }

  struct Numbers {
    var queued: Int
    var running: Int
    var known: Int
    var bytes: Int
    var deviceSeconds: Double
    var finished: [Job.State: Int]
  }

  // MARK: Under the lock

  private func job(_ id: String) throws -> Job {
    forgetOld()
    guard let job = jobs[id] else {
      throw HTTPFault(.notFound, "no such job, or forgotten already")
    }
    return job
  }

  private func members(_ batch: String) -> [Job] {
    forgetOld()
    return jobs.values.filter { $0.batch == batch }.sorted { $0.order < $1.order }
  }

  private func status(_ job: Job) -> JobStatus {
    JobStatus(job, ahead: job.state == .queued ? queue.firstIndex { $0 === job } : nil)
  }

  private func changed(_ job: Job) {
    version += 1
    if job.order == 0 { job.order = version }
    job.version = version
    lock.broadcast()
  }

  private func remove(_ job: Job) {
    jobs[job.id] = nil
    queue.removeAll { $0 === job }
    bytes -= job.bytes
    if !job.state.isFinal { end(job, .cancelled) }
    version += 1
    lastDrop = version
    lock.broadcast()
  }

  private func forgetOld() {
    let oldest = Date(timeIntervalSinceNow: -options.keepSeconds)
    for job in jobs.values where job.state.isFinal && (job.finished ?? oldest) <= oldest {
      remove(job)
    }
  }
}

/// Why a job ends before its time.
enum JobEnded: Error {
  case unwanted, late
}
