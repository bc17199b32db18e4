// Files sent in the background by URLSession, with the grants of uploads that the app's backend opened (IETF resumable uploads,
// iOS 17 and macOS 14 or later). Copy this file into the app: it needs Foundation alone.
//
//     let uploads = GantryUploads(identifier: "example.uploads")
//     uploads.onCompletion = { id, result in … }             // set it at every start of the app, before anything is awaited
//     uploads.send(file: url, to: filesEndpoint, id: "picture 4711")
//
// `filesEndpoint` is `endpoints.files` of the opened upload. The file has to stay where it is until it is told of as completed. In the
// app's delegate, hand the handler of `application(_:handleEventsForBackgroundURLSession:completionHandler:)` to `backgroundHandler`.

import Foundation

/// What became of a file, as the last answer of the service names it.
public struct GantrySent: Decodable, Sendable {
  public struct Asset: Decodable, Sendable {
    public let id: String
    public let state: String
    public let filename: String
    public let size: Int64
  }

  public let asset: Asset
}

/// Why a file was not sent.
public enum GantryFailure: Error, Sendable {
  /// The grant has expired or was taken back: ask the backend for a new upload, and send the file again.
  case grantExpired
  /// The service refused the file. The code is one of the service's errors.
  case refused(status: Int, code: String, detail: String)
  /// The network was away for longer than the system waits, or the file could not be read.
  case broken(any Error)
}

public final class GantryUploads: NSObject, @unchecked Sendable {
  /// Called once for each file, on the main queue, perhaps in a later run of the app.
  public var onCompletion: ((_ id: String, _ result: Result<GantrySent, GantryFailure>) -> Void)?
  /// Called as bytes leave the phone, on the main queue.
  public var onProgress: ((_ id: String, _ sent: Int64, _ total: Int64) -> Void)?
  /// The system's handler, to be called when all events of a background start have been delivered.
  public var backgroundHandler: (() -> Void)?

  /// A task that ended with an error is begun again so often, from where the service has it.
  private static let mostResumptions = 20
  private struct Problem: Decodable {
    let code: String
    let detail: String
  }

  private let lock = NSLock()
  private var answers: [Int: Data] = [:]
  private var resumptions: [String: Int] = [:]
  private var session: URLSession!

  public init(identifier: String, allowsCellular: Bool = true) {
    super.init()
    let configuration = URLSessionConfiguration.background(withIdentifier: identifier)
    configuration.sessionSendsLaunchEvents = true
    configuration.allowsCellularAccess = allowsCellular
    configuration.isDiscretionary = false
    session = URLSession(configuration: configuration, delegate: self, delegateQueue: nil)
  }

  /// Sends a file. The id is the app's own: it comes back with the result, also after the app was ended and started again.
  @discardableResult
  public func send(file: URL, to filesEndpoint: URL, id: String, filename: String? = nil, contentType: String? = nil) -> URLSessionTask {
    var request = URLRequest(url: filesEndpoint)
    request.httpMethod = "POST"
    request.setValue(Self.disposition(filename ?? file.lastPathComponent), forHTTPHeaderField: "Content-Disposition")
    if let contentType {
      request.setValue(contentType, forHTTPHeaderField: "Content-Type")
    }
    let task = session.uploadTask(with: request, fromFile: file)
    task.taskDescription = id
    task.resume()
    return task
  }

  /// The ids of files that are on their way.
  public func pending() async -> [String] {
    await session.allTasks.compactMap(\.taskDescription)
  }

  /// Ends the transfer of a file. What the service has of it expires there.
  public func cancel(id: String) async {
    for task in await session.allTasks where task.taskDescription == id {
      task.cancel()
    }
  }

  private static func disposition(_ filename: String) -> String {
    let allowed = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "\u{20}"..."\u{7e}")).union(CharacterSet(charactersIn: "-._~"))
    let encoded = filename.addingPercentEncoding(withAllowedCharacters: allowed) ?? "file"
    return "attachment; filename*=UTF-8''\(encoded)"
  }

  private func result(of task: URLSessionTask, answer: Data, error: (any Error)?) -> Result<GantrySent, GantryFailure> {
    if let error {
      return .failure(.broken(error))
    }
    let status = (task.response as? HTTPURLResponse)?.statusCode ?? 0
    if (200..<300).contains(status), let sent = try? JSONDecoder().decode(GantrySent.self, from: answer) {
      return .success(sent)
    }
    if [401, 404, 410].contains(status) {
      return .failure(.grantExpired)
    }
    let problem = try? JSONDecoder().decode(Problem.self, from: answer)
    return .failure(.refused(status: status, code: problem?.code ?? "service", detail: problem?.detail ?? "The service answered \(status)."))
  }

  /// Goes on with a task that broke, if the service told it where its upload is.
  private func resume(_ task: URLSessionTask, id: String, after error: any Error) -> Bool {
    let failure = error as NSError
    guard failure.code != NSURLErrorCancelled, let data = failure.userInfo[NSURLSessionUploadTaskResumeData] as? Data else { return false }
    let tries = lock.withLock { () -> Int in
      resumptions[id, default: 0] += 1
      return resumptions[id, default: 0]
    }
    guard tries <= Self.mostResumptions else { return false }
    let next = session.uploadTask(withResumeData: data)
    next.taskDescription = id
    next.earliestBeginDate = Date(timeIntervalSinceNow: min(300, pow(2, Double(tries))))
    next.resume()
    return true
  }
}

extension GantryUploads: URLSessionDataDelegate {
  public func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    lock.withLock { answers[dataTask.taskIdentifier, default: Data()].append(data) }
  }

  public func urlSession(
    _ session: URLSession, task: URLSessionTask, didSendBodyData bytesSent: Int64, totalBytesSent: Int64, totalBytesExpectedToSend: Int64
  ) {
    guard let id = task.taskDescription else { return }
    DispatchQueue.main.async { self.onProgress?(id, totalBytesSent, totalBytesExpectedToSend) }
  }

  public func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    guard let id = task.taskDescription else { return }
    let answer = lock.withLock { answers.removeValue(forKey: task.taskIdentifier) } ?? Data()
    if let error, resume(task, id: id, after: error) {
      return
    }
    lock.withLock { resumptions[id] = nil }
    let result = result(of: task, answer: answer, error: error)
    DispatchQueue.main.async { self.onCompletion?(id, result) }
  }

  public func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {
    DispatchQueue.main.async {
      self.backgroundHandler?()
      self.backgroundHandler = nil
    }
  }
}
