"""boto3_sync.py up|down ENDPOINT BUCKET FOLDER: copies a tree with boto3's transfer manager."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3

direction, endpoint, bucket, folder = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


def up(path):
    s3.upload_file(os.path.join(folder, path), bucket, path)


def down(key):
    target = os.path.join(folder, key)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    s3.download_file(bucket, key, target)


with ThreadPoolExecutor(8) as pool:
    if direction == "up":
        s3.create_bucket(Bucket=bucket)
        paths = [
            os.path.relpath(os.path.join(root, name), folder)
            for root, _, names in os.walk(folder)
            for name in names
        ]
        list(pool.map(up, paths))
    else:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        list(pool.map(down, keys))
