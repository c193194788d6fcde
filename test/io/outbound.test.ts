import { smtpClient } from '../../shared/io/smtp-client.ts';
import { testOutbound } from './outbound.conformance.ts';

testOutbound('own client', smtpClient);
