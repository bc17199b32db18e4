declare namespace _default {
    let lang: string;
    let dir: string;
    let drop: string;
    let dropOne: string;
    let choose: string;
    let chooseOne: string;
    namespace dragging {
        let zero: string;
        let one: string;
        let two: string;
        let few: string;
        let many: string;
        let other: string;
    }
    let draggingUnknown: string;
    let folder: string;
    let camera: string;
    namespace reading { }
    let limitEach: string;
    let limitOne: string;
    namespace limitFiles { }
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
        let zero_1: string;
        export { zero_1 as zero };
        let one_1: string;
        export { one_1 as one };
        let two_1: string;
        export { two_1 as two };
        let few_1: string;
        export { few_1 as few };
        let many_1: string;
        export { many_1 as many };
        let other_1: string;
        export { other_1 as other };
    }
    namespace received { }
    namespace readyFiles {
        let zero_2: string;
        export { zero_2 as zero };
        let one_2: string;
        export { one_2 as one };
        let two_2: string;
        export { two_2 as two };
        let few_2: string;
        export { few_2 as few };
        let many_2: string;
        export { many_2 as many };
        let other_2: string;
        export { other_2 as other };
    }
    namespace failedFiles {
        let zero_3: string;
        export { zero_3 as zero };
        let one_3: string;
        export { one_3 as one };
        let two_3: string;
        export { two_3 as two };
        let few_3: string;
        export { few_3 as few };
        let many_3: string;
        export { many_3 as many };
        let other_3: string;
        export { other_3 as other };
    }
    let pauseAll: string;
    let resumeAll: string;
    let retryAll: string;
    let cancelAll: string;
    let clear: string;
    namespace confirmCancel {
        let zero_4: string;
        export { zero_4 as zero };
        let one_4: string;
        export { one_4 as one };
        let two_4: string;
        export { two_4 as two };
        let few_4: string;
        export { few_4 as few };
        let many_4: string;
        export { many_4 as many };
        let other_4: string;
        export { other_4 as other };
    }
    let keep: string;
    let list: string;
    let offlineTitle: string;
    let offlineText: string;
    namespace refused { }
    let tooLarge: string;
    let wrongType: string;
    namespace tooMany { }
    let noRoom: string;
    let unreadable: string;
    let duplicate: string;
    namespace emptyFolders {
        let zero_5: string;
        export { zero_5 as zero };
        let one_5: string;
        export { one_5 as one };
        let two_5: string;
        export { two_5 as two };
        let few_5: string;
        export { few_5 as few };
        let many_5: string;
        export { many_5 as many };
        let other_5: string;
        export { other_5 as other };
    }
    let otherFile: string;
    let otherSize: string;
    let otherDate: string;
    let otherContent: string;
    let otherName: string;
    namespace more {
        let zero_6: string;
        export { zero_6 as zero };
        let one_6: string;
        export { one_6 as one };
        let two_6: string;
        export { two_6 as two };
        let few_6: string;
        export { few_6 as few };
        let many_6: string;
        export { many_6 as many };
        let other_6: string;
        export { other_6 as other };
    }
    let dismiss: string;
    namespace saidAdded { }
    let saidStarted: string;
    let saidPercent: string;
    namespace saidAllPercent { }
    let saidReady: string;
    namespace saidAllDone { }
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
