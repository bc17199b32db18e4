declare namespace _default {
    let lang: string;
    let dir: string;
    let drop: string;
    let dropOne: string;
    let choose: string;
    let chooseOne: string;
    namespace dragging {
        let one: string;
        let other: string;
    }
    let draggingUnknown: string;
    let folder: string;
    let camera: string;
    namespace reading {
        let one_1: string;
        export { one_1 as one };
        let other_1: string;
        export { other_1 as other };
    }
    let limitEach: string;
    let limitOne: string;
    namespace limitFiles {
        let one_2: string;
        export { one_2 as one };
        let other_2: string;
        export { other_2 as other };
    }
    let limitTypes: string;
    let limitLeft: string;
    namespace types {
        let image: string;
        let video: string;
        let audio: string;
        let text: string;
        let font: string;
    }
    let queued: string;
    let preparing: string;
    let uploading: string;
    let paused: string;
    let offline: string;
    let waiting: string;
    let waitingNow: string;
    let completing: string;
    let processing: string;
    namespace steps {
        let scan: string;
        let media: string;
    }
    let ready: string;
    let rejected: string;
    let failed: string;
    let needsFile: string;
    let needsFileText: string;
    let allowText: string;
    let cancelled: string;
    let progress: string;
    let left: string;
    let verified: string;
    let safe: string;
    let unconfirmed: string;
    let uploadOf: string;
    let uploadAll: string;
    let pause: string;
    let resume: string;
    let start: string;
    let retry: string;
    let cancel: string;
    let remove: string;
    let link: string;
    let chooseAgain: string;
    let allow: string;
    let actionFor: string;
    let details: string;
    let copyDetails: string;
    let copied: string;
    let linkCopied: string;
    let code: string;
    let request: string;
    let asset: string;
    let sha256: string;
    namespace filesDone {
        let one_3: string;
        export { one_3 as one };
        let other_3: string;
        export { other_3 as other };
    }
    namespace received {
        let one_4: string;
        export { one_4 as one };
        let other_4: string;
        export { other_4 as other };
    }
    namespace readyFiles {
        let one_5: string;
        export { one_5 as one };
        let other_5: string;
        export { other_5 as other };
    }
    namespace failedFiles {
        let one_6: string;
        export { one_6 as one };
        let other_6: string;
        export { other_6 as other };
    }
    let pauseAll: string;
    let resumeAll: string;
    let retryAll: string;
    let cancelAll: string;
    let clear: string;
    namespace confirmCancel {
        let one_7: string;
        export { one_7 as one };
        let other_7: string;
        export { other_7 as other };
    }
    let keep: string;
    let list: string;
    let offlineTitle: string;
    let offlineText: string;
    namespace refused {
        let one_8: string;
        export { one_8 as one };
        let other_8: string;
        export { other_8 as other };
    }
    let tooLarge: string;
    let wrongType: string;
    namespace tooMany {
        let one_9: string;
        export { one_9 as one };
        let other_9: string;
        export { other_9 as other };
    }
    let noRoom: string;
    let unreadable: string;
    let duplicate: string;
    namespace emptyFolders {
        let one_10: string;
        export { one_10 as one };
        let other_10: string;
        export { other_10 as other };
    }
    let otherFile: string;
    let otherSize: string;
    let otherDate: string;
    let otherContent: string;
    let otherName: string;
    namespace more {
        let one_11: string;
        export { one_11 as one };
        let other_11: string;
        export { other_11 as other };
    }
    let dismiss: string;
    namespace saidAdded {
        let one_12: string;
        export { one_12 as one };
        let other_12: string;
        export { other_12 as other };
    }
    let saidStarted: string;
    let saidPercent: string;
    namespace saidAllPercent {
        let one_13: string;
        export { one_13 as one };
        let other_13: string;
        export { other_13 as other };
    }
    let saidReady: string;
    namespace saidAllDone {
        let one_14: string;
        export { one_14 as one };
        let other_14: string;
        export { other_14 as other };
    }
    let saidFailed: string;
    let saidCancelled: string;
    let saidRemoved: string;
    let saidPaused: string;
    let saidOffline: string;
    let saidOnline: string;
    namespace problems {
        let network: string;
        let file_unreadable: string;
        let file_changed: string;
    }
}
export default _default;
