import { z } from 'zod';
import { bytes, duration, flag } from './config-values.ts';

/** Names that a URL leaves as they are: the storage signs what it hears. */
const objectPrefix = z.string().regex(/^(?:\/*[A-Za-z0-9_-][A-Za-z0-9._-]*)*\/*$/, {
  error: 'expected folders such as "rebound/eu": letters, digits, ".", "-", "_", "/"',
});

/** The settings of the archive of dispositions. */
export const archiveSchema = z
  .strictObject({
    enabled: flag(true).describe('Write dispositions to compressed files before they leave Redis; done by the admin role'),
    driver: z
      .enum(['disk', 's3'])
      .default('disk')
      .describe('Where the files lie: a folder, or S3-compatible object storage; see docs/log.md'),
    dir: z
      .string()
      .default('')
      .describe('disk: folder of the files (in one named as redis.prefix), relative to the working folder; empty: archive in dataDir'),
    s3: z
      .strictObject({
        endpoint: z.string().default('').describe('http:// or https:// address of the storage; empty: that of AWS in the region'),
        region: z
          .string()
          .regex(/^[a-z0-9-]{1,64}$/, { error: 'expected a region such as "eu-central-1"' })
          .default('us-east-1')
          .describe('Region that requests are signed for; storage without regions mostly takes us-east-1'),
        bucket: z
          .string()
          .regex(/^(?:[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])?$/, { error: 'expected the name of a bucket, of 3 to 63 characters' })
          .default('')
          .describe('Bucket; it must exist'),
        prefix: objectPrefix.default('').describe('Folder in the bucket; the files are below it in one named as redis.prefix'),
        accessKeyId: z
          .string()
          .regex(/^[\x21-\x7e]*$/, { error: 'expected one word of ASCII' })
          .default('')
          .describe('Access key; empty: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment'),
        secretAccessKey: z.string().default('').describe('Its secret'),
        secretFile: z.string().default('').describe('File that holds the secret instead, beside the configuration; read for each request'),
        pathStyle: flag(true).describe('true: the bucket is in the path of the address; false: in its host name'),
        timeout: duration('30s').describe('Time for one attempt at a request; there are four'),
      })
      .prefault({}),
    maxAge: duration('30d').describe('Age at which archived dispositions are deleted'),
    maxSize: bytes('5GB').describe('Size of the archive beyond which the oldest are deleted; a million take about 100 MB'),
  })
  .prefault({});
