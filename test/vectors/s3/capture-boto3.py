#!/usr/bin/env python3
"""Writes boto3.json: requests as boto3 would send them, caught before the socket.

Run with the boto3 that is to be the oracle; nothing is sent anywhere:
    python3 test/vectors/s3/capture-boto3.py > test/vectors/s3/boto3.json
"""

import base64
import io
import json
import sys
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.awsrequest import AWSResponse
from botocore import UNSIGNED
from botocore.config import Config

ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE'
SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
BODY = bytes(range(256)) * 2
KEY = 'k/\u00e4 b+%2F//x(1)~\u65e5.txt'

captured = []


class Answer(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def client(scheme='http', token=None, signature=None, **options):
    made = boto3.client(
        's3',
        endpoint_url=f'{scheme}://storage.example.com:9000',
        region_name='lampyr',
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        aws_session_token=token,
        config=Config(
            signature_version=signature,
            retries={'max_attempts': 0},
            s3={'addressing_style': 'path', **options},
        ),
    )
    made.meta.events.register('before-send.s3', catch)
    return made


def text(value):
    return value.decode('latin-1') if isinstance(value, bytes) else str(value)


def catch(request, **_):
    url = urlsplit(request.url)
    body = request.body
    if hasattr(body, 'read'):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    # boto3 does not sign User-Agent, and it tells about the machine.
    pairs = [(text(name), text(value)) for name, value in request.headers.items()]
    headers = [[name, value] for name, value in pairs if name.lower() != 'user-agent']
    if not any(name.lower() == 'host' for name, _ in headers):
        headers.append(['Host', url.netloc])
    captured.append(
        {
            'method': request.method,
            'target': url.path + (f'?{url.query}' if url.query else ''),
            'headers': headers,
            'body': base64.b64encode(body or b'').decode(),
        }
    )
    return AWSResponse(request.url, 200, {'content-type': 'application/xml', 'etag': '"x"'}, Answer(b'<x></x>'))


def name(case, call):
    before = len(captured)
    try:
        call()
    except Exception as error:  # the canned answer does not suit every operation
        if len(captured) == before:
            raise error
    captured[before]['name'] = case
    del captured[before + 1 :]


def presigned(case, method, operation, parameters, headers=(), **options):
    url = urlsplit(
        boto3.client(
            's3',
            endpoint_url='http://storage.example.com:9000',
            region_name='lampyr',
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={'addressing_style': 'path'}, **options),
        ).generate_presigned_url(operation, parameters, ExpiresIn=600)
    )
    captured.append(
        {
            'name': case,
            'method': method,
            'target': f'{url.path}?{url.query}',
            'headers': [['Host', url.netloc], *[list(header) for header in headers]],
            'body': '',
        }
    )


def objects(scheme):
    s3 = client(scheme)
    put = {'Bucket': 'bucket', 'Key': KEY, 'Body': BODY}
    name(f'{scheme}: put', lambda: s3.put_object(**put))
    name(f'{scheme}: put, nothing', lambda: s3.put_object(Bucket='bucket', Key='empty', Body=b''))
    name(
        f'{scheme}: put, attributes',
        lambda: s3.put_object(
            **put,
            ContentType='text/plain; charset=utf-8',
            Metadata={'Name': 'two  blanks', 'other': ' edges '},
            Tagging='a=b&c=d%20e',
            IfNoneMatch='*',
        ),
    )
    for algorithm in ('SHA1', 'SHA256', 'CRC32'):
        name(f'{scheme}: put, {algorithm}', lambda a=algorithm: s3.put_object(**put, ChecksumAlgorithm=a))
    name(f'{scheme}: put, stream', lambda: s3.put_object(Bucket='bucket', Key='s', Body=io.BytesIO(BODY)))
    name(
        f'{scheme}: upload part',
        lambda: s3.upload_part(Bucket='bucket', Key=KEY, PartNumber=2, UploadId='a/b+c=', Body=BODY),
    )
    name(f'{scheme}: put, unsigned payload', lambda: client(scheme, payload_signing_enabled=False).put_object(**put))
    name(f'{scheme}: put, anonymous', lambda: client(scheme, signature=UNSIGNED).put_object(**put))
    name(f'{scheme}: put, signed payload', lambda: client(scheme, payload_signing_enabled=True).put_object(**put))


def others():
    s3 = client()
    name('get with a range', lambda: s3.get_object(Bucket='bucket', Key=KEY, Range='bytes=1-2'))
    name('head', lambda: s3.head_object(Bucket='bucket', Key=KEY))
    name(
        'list v2',
        lambda: s3.list_objects_v2(
            Bucket='bucket', Prefix='a b/\u00e4+%&=~*()', Delimiter='/', MaxKeys=5, StartAfter='x;y'
        ),
    )
    name('list versions', lambda: s3.list_object_versions(Bucket='bucket', KeyMarker='', MaxKeys=1))
    name('delete objects', lambda: s3.delete_objects(Bucket='bucket', Delete={'Objects': [{'Key': KEY}]}))
    name('copy', lambda: s3.copy_object(Bucket='bucket', Key='new', CopySource={'Bucket': 'bucket', 'Key': KEY}))
    name('create bucket', lambda: s3.create_bucket(Bucket='bucket', CreateBucketConfiguration={'LocationConstraint': 'lampyr'}))
    name(
        'create upload',
        lambda: s3.create_multipart_upload(Bucket='bucket', Key=KEY, ChecksumAlgorithm='CRC64NVME', ChecksumType='FULL_OBJECT'),
    )
    name('list buckets', lambda: s3.list_buckets())
    name('session token', lambda: client(token='a/session+token==').list_buckets())
    name('virtual host', lambda: client(addressing_style='virtual').get_object(Bucket='bucket', Key=KEY))
    presigned('presigned get', 'GET', 'get_object', {'Bucket': 'bucket', 'Key': KEY, 'ResponseContentType': 'a/b'})
    presigned('presigned put', 'PUT', 'put_object', {'Bucket': 'bucket', 'Key': KEY})
    presigned(
        'presigned put with headers',
        'PUT',
        'put_object',
        {'Bucket': 'bucket', 'Key': KEY, 'ContentType': 'text/plain', 'Metadata': {'a': 'b'}},
        [('content-type', 'text/plain'), ('x-amz-meta-a', 'b')],
    )
    presigned('presigned, Signature Version 2', 'GET', 'get_object', {'Bucket': 'bucket', 'Key': 'k'}, signature_version='s3')


for each in ('http', 'https'):
    objects(each)
others()
json.dump(
    {
        'provenance': f'boto3 {boto3.__version__}, botocore {botocore.__version__}, without awscrt; capture-boto3.py',
        'accessKey': ACCESS_KEY,
        'secretKey': SECRET_KEY,
        'region': 'lampyr',
        'content': base64.b64encode(BODY).decode(),
        'requests': captured,
    },
    sys.stdout,
    indent=1,
    ensure_ascii=True,
)
