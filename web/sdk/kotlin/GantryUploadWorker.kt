// A file sent by WorkManager with the grant of an upload that the app's backend opened (tus 1.0). Copy this file into the app: it needs
// androidx.work:work-runtime-ktx and com.squareup.okhttp3:okhttp.
//
//     val id = GantryUploadWorker.enqueue(context, File(path), tusEndpoint, "holiday.mp4")
//     WorkManager.getInstance(context).getWorkInfoByIdLiveData(id).observe(owner) { info -> … }   // SENT, SIZE; UPLOAD or CODE at its end
//
// `tusEndpoint` is `endpoints.tus` of the opened upload. The work goes on after the app or the phone was ended, from where the service has
// the file. The file has to stay where it is until the work has ended.

package gantry

import android.content.Context
import androidx.work.BackoffPolicy
import androidx.work.Constraints
import androidx.work.CoroutineWorker
import androidx.work.ExistingWorkPolicy
import androidx.work.NetworkType
import androidx.work.OneTimeWorkRequestBuilder
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import androidx.work.workDataOf
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.util.Base64
import java.util.UUID
import java.util.concurrent.TimeUnit
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import okio.BufferedSink
import org.json.JSONException
import org.json.JSONObject

class GantryUploadWorker(context: Context, parameters: WorkerParameters) : CoroutineWorker(context, parameters) {
    /** A refusal that repeating does not change. */
    private class Refused(val code: String) : IOException(code)

    override suspend fun doWork(): Result = withContext(Dispatchers.IO) {
        val file = File(inputData.getString(FILE) ?: return@withContext failure("invalid"))
        val endpoint = inputData.getString(ENDPOINT) ?: return@withContext failure("invalid")
        if (!file.canRead()) return@withContext failure("file_unreadable")
        try {
            val url = addressOf(endpoint, file)
            var offset = askOffset(url)
            while (offset < file.length()) {
                ensureActive()
                setProgress(workDataOf(SENT to offset, SIZE to file.length()))
                offset = append(url, file, offset)
            }
            addresses.edit().remove(endpoint).apply()
            Result.success(workDataOf(UPLOAD to url.substringAfterLast('/')))
        } catch (refused: Refused) {
            addresses.edit().remove(endpoint).apply()
            failure(refused.code)
        } catch (broken: IOException) {
            // WorkManager waits for the network, and longer each time.
            Result.retry()
        }
    }

    private val addresses get() = applicationContext.getSharedPreferences("gantry-uploads", Context.MODE_PRIVATE)

    private fun failure(code: String) = Result.failure(workDataOf(CODE to code))

    /** Where the upload is: as the service said at the first attempt, or as it says now. */
    private fun addressOf(endpoint: String, file: File): String {
        addresses.getString(endpoint, null)?.let { return it }
        val name = inputData.getString(NAME) ?: file.name
        val metadata = "filename " + Base64.getEncoder().encodeToString(name.toByteArray())
        val request = request(endpoint).header("Upload-Length", file.length().toString()).header("Upload-Metadata", metadata)
        val location = call(request.post(ByteArray(0).toRequestBody()).build()) { it.header("Location") }
        val url = location ?: throw IOException("The service did not say where the upload is.")
        addresses.edit().putString(endpoint, url).apply()
        return url
    }

    private fun askOffset(url: String): Long = call(request(url).head().build(), ::offsetOf)

    /** Sends the next piece, and answers with how much the service has then. */
    private fun append(url: String, file: File, offset: Long): Long {
        val piece = FilePiece(file, offset, minOf(PIECE_BYTES, file.length() - offset))
        return call(request(url).header("Upload-Offset", offset.toString()).patch(piece).build(), ::offsetOf)
    }

    private fun offsetOf(response: Response): Long =
        response.header("Upload-Offset")?.toLongOrNull() ?: throw IOException("The service did not say how much it has.")

    private fun request(url: String) = Request.Builder().url(url).header("Tus-Resumable", "1.0.0")

    private fun <T> call(request: Request, read: (Response) -> T): T = http.newCall(request).execute().use { response ->
        if (response.isSuccessful) return read(response)
        throw problemOf(response)
    }

    /** 409 and 423: another attempt is still at it, or was further than this one; the next one asks for the offset. */
    private fun problemOf(response: Response): IOException {
        val problem = try {
            JSONObject(response.body?.string().orEmpty())
        } catch (_: JSONException) {
            JSONObject()
        }
        val passing = response.code in listOf(408, 409, 423, 429) || response.code >= 500
        if (problem.optBoolean("retryable", passing) || passing) return IOException("The service answered ${response.code}.")
        return Refused(if (response.code in listOf(401, 404, 410)) "grant_expired" else problem.optString("code", "service"))
    }

    /** Bytes of a file, read as they are sent. */
    private class FilePiece(private val file: File, private val offset: Long, private val length: Long) : RequestBody() {
        override fun contentType() = "application/offset+octet-stream".toMediaType()

        override fun contentLength() = length

        override fun writeTo(sink: BufferedSink) {
            RandomAccessFile(file, "r").use { source ->
                source.seek(offset)
                val buffer = ByteArray(64 * 1024)
                var left = length
                while (left > 0) {
                    val read = source.read(buffer, 0, minOf(buffer.size.toLong(), left).toInt())
                    if (read < 0) throw IOException("The file became shorter while it was being sent.")
                    sink.write(buffer, 0, read)
                    left -= read
                }
            }
        }
    }

    companion object {
        /** Bytes that the service has; bytes of the file. */
        const val SENT = "sent"
        const val SIZE = "size"
        /** The id of the upload, when it has succeeded. */
        const val UPLOAD = "upload"
        /** Why it failed: `grant_expired` (ask the backend for a new upload), `file_unreadable`, or a code of the service. */
        const val CODE = "code"

        private const val FILE = "file"
        private const val ENDPOINT = "endpoint"
        private const val NAME = "name"
        private const val PIECE_BYTES = 8L * 1024 * 1024
        private val http = OkHttpClient.Builder().writeTimeout(60, TimeUnit.SECONDS).readTimeout(120, TimeUnit.SECONDS).build()

        /** Sends a file when there is a network. The same endpoint is not sent to twice at once. */
        fun enqueue(context: Context, file: File, tusEndpoint: String, filename: String = file.name, unmetered: Boolean = false): UUID {
            val network = if (unmetered) NetworkType.UNMETERED else NetworkType.CONNECTED
            val work = OneTimeWorkRequestBuilder<GantryUploadWorker>()
                .setInputData(workDataOf(FILE to file.path, ENDPOINT to tusEndpoint, NAME to filename))
                .setConstraints(Constraints.Builder().setRequiredNetworkType(network).build())
                .setBackoffCriteria(BackoffPolicy.EXPONENTIAL, 10, TimeUnit.SECONDS)
                .build()
            WorkManager.getInstance(context).enqueueUniqueWork(tusEndpoint, ExistingWorkPolicy.KEEP, work)
            return work.id
        }
    }
}
